//! What a tag's attributes say about its role on the page.

use html5ever::tokenizer::Tag;

/// The roles that matter here. Most tags have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Says of itself that it is the content.
    pub(super) main: bool,
    /// Navigation, decoration, or hidden.
    pub(super) junk: bool,
    /// The signature of a documented definition.
    pub(super) signature: bool,
}

/// Classes and ids by which the generators of documentation mark what is not content: DocBook, Sphinx, rustdoc, Javadoc,
/// MkDocs, Docusaurus, Bootstrap.
const JUNK_CLASSES: [&str; 34] = [
    "navheader",
    "navfooter",
    "sphinxsidebar",
    "related",
    "headerlink",
    "viewcode-link",
    "toc",
    "toctree-wrapper",
    "genindextable",
    "breadcrumb",
    "breadcrumbs",
    "skip-link",
    "skip-nav",
    "skipnav",
    "sr-only",
    "visually-hidden",
    "screen-reader-text",
    "pagination",
    "prev-next",
    "edit-link",
    "edit-this-page",
    "md-sidebar",
    "md-header",
    "md-footer",
    "navbar",
    "topnav",
    "subnav",
    "bottomnav",
    "indexterm",
    "footer",
    "cookie-banner",
    "hash-link",
    "wy-nav-side",
    "genindex-jumpbox",
];
/// Marks that only mean this on a link.
const JUNK_LINKS: [&str; 5] = ["anchor", "src", "permalink", "anchorjs-link", "source"];
const JUNK_ROLES: [&str; 7] = ["navigation", "search", "banner", "contentinfo", "menu", "menubar", "toolbar"];

impl Mark {
    pub(super) fn of(tag: &Tag) -> Mark {
        let mut mark = Mark::default();
        let is_link = &*tag.name == "a";
        for attribute in &tag.attrs {
            let value: &str = &attribute.value;
            match &*attribute.name.local {
                "class" => {
                    // A class list may be megabytes; the first words say what a thing is.
                    for class in value.split_ascii_whitespace().take(16) {
                        mark.junk |=
                            JUNK_CLASSES.contains(&class) || (is_link && JUNK_LINKS.contains(&class));
                        mark.signature |= class == "sig" || class == "method-signature";
                    }
                    mark.junk |= value == "contents topic"
                        || value == "topic contents"
                        || value == "contents local topic";
                }
                "id" => {
                    mark.junk |= JUNK_CLASSES.contains(&value);
                    mark.main |= matches!(value, "main-content" | "main_content");
                }
                "role" => {
                    mark.main |= value == "main";
                    mark.junk |= JUNK_ROLES.contains(&value);
                }
                "hidden" => mark.junk = true,
                "aria-hidden" => mark.junk |= value == "true" && is_link,
                _ => {}
            }
        }
        match &*tag.name {
            "main" => mark.main = true,
            "nav" | "select" | "button" | "svg" | "canvas" | "template" | "object" | "audio" | "video" => {
                mark.junk = true
            }
            // What holds the whole page is never decoration, whatever it is called.
            "html" | "body" | "article" => mark.junk = false,
            _ => {}
        }
        mark.junk &= !mark.main;
        mark
    }
}
