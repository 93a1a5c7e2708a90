// Takes what changed into the page, every two seconds while somebody looks at it. The page is whole without it.
"use strict";
const every = 2000;
async function refresh() {
  const marks = document.body.classList;
  try {
    if (!document.hidden) {
      const answer = await fetch("/", { cache: "no-store" });
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      const main = next.querySelector("main");
      document.querySelector("main").replaceWith(main);
      document.title = next.title;
      marks.add("live");
      marks.remove("lost");
    }
  } catch {
    marks.add("lost");
    marks.remove("live");
  }
  setTimeout(refresh, every);
}
setTimeout(refresh, every);
