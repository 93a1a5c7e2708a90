use crate::ingest::chunk::{Chunk, ChunkLimits, chunk};
use crate::ingest::scan::Kind;

fn chunks(html: &str) -> Vec<Chunk> {
    chunk(Kind::Html, "page.html", html, &ChunkLimits { target_tokens: 60, ..ChunkLimits::default() })
}

fn all(html: &str) -> String {
    chunks(html).iter().map(Chunk::embedded_text).collect::<Vec<_>>().join("\n---\n")
}

#[test]
fn navigation_scripts_and_styles_are_left_out() {
    let page = "<html><head><title>T</title><style>p{}</style><script>if (a<b) x()</script></head><body>\
        <nav>Home</nav><header>Site</header><div class='sphinxsidebar'>Side</div><div role=navigation>Crumbs</div>\
        <div class=body role=main><h1>Real<a class=headerlink>¶</a></h1><p>Body &amp; soul&nbsp;&eacute;.</p></div>\
        <footer>Foot</footer></body></html>";
    assert_eq!(all(page), "Real\n\nBody & soul é.");
}

#[test]
fn a_page_without_main_uses_its_body_and_its_title() {
    assert_eq!(all("<title>The title</title><header>Site</header><p>Text.</p>"), "The title\n\nText.");
}

#[test]
fn a_navigation_that_is_never_closed_costs_nothing() {
    assert!(all("<nav>Home<h1>T</h1><p>Text.").contains("Text."));
}

#[test]
fn a_page_of_nothing_but_navigation_is_still_found() {
    assert!(all("<nav><a>One</a> <a>Two</a></nav>").contains("One Two"));
    assert_eq!(chunks("<title>Only a title</title>")[0].text, "Only a title");
    assert_eq!(chunks("<p></p>").len(), 0);
}

#[test]
fn headings_nest_and_signatures_are_headings() {
    let page = "<h1>os</h1><p>Module.</p><h2>Files</h2><dl class='py function'>\
        <dt class='sig sig-object py' id='os.open'>os.open(path)</dt><dd><p>Opens a file. It does so with a number of \
        words that make this section long enough to stand on its own, or nearly so, and some more of them here, and \
        here, and a few at the end.</p></dd></dl><p>After the definition there is a paragraph that belongs to the \
        section above and not to the definition, and it is long as well, because short ones are put together with \
        their neighbours, which is not what this test is about.</p>";
    let made = chunks(page);
    let paths: Vec<&str> = made.iter().map(|chunk| chunk.heading_path.as_str()).collect();
    assert_eq!(paths, ["os", "os > Files > os.open(path)", "os > Files"]);
}

#[test]
fn tables_lists_and_listings_stay_readable() {
    let page = "<h1>T</h1><table><tr><th>Name<th><p>Meaning</p></tr><tr><td>a</td><td><p>first</p></td></tr></table>\
        <ul><li>one<ul><li><p>inner</p></li></ul></li><li>two</li></ul><pre>if x:\n    y()\n</pre>\
        <dl><dt>term</dt><dd><p>meaning</p></dd></dl>";
    assert_eq!(
        all(page),
        "T\n\nName | Meaning\na | first\n\n- one\n  - inner\n- two\n\nif x:\n    y()\n\nterm\nmeaning"
    );
}

#[test]
fn lines_point_into_the_source() {
    let page =
        format!("<h1>A</h1>\n\n<p>{}</p>\n<h2>B</h2>\n<p>{}</p>", "word ".repeat(50), "more ".repeat(50));
    assert_eq!(chunks(&page).iter().map(|chunk| chunk.line).collect::<Vec<_>>(), [1, 4]);
}

#[test]
fn a_self_closing_script_does_not_swallow_the_page() {
    assert!(all("<script src='a.js'/><h1>T</h1><p>Text.</p>").contains("Text."));
}

#[test]
fn a_box_is_no_section_and_a_page_without_a_first_heading_goes_under_its_title() {
    let page = "<title>GRANT</title><h2>GRANT</h2><p>Gives.</p><h2>Notes</h2>\
        <div class=note><h3>Note</h3><p>Beware.</p></div><p>More.</p>";
    assert_eq!(all(page), "GRANT\n\nGives.\n\nNotes\n\nNote: Beware.\n\nMore.");
}
