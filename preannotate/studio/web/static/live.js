// What is going on changes without a reload: a page that says data-live on its body is fetched again every few
// seconds, and its pieces (data-piece) are put in place of the old ones. Everything works without this file, too.
"use strict";

const LONGEST_PAUSE = 60000;
let failures = 0;

function pause() {
  return Math.min(Number(document.body.dataset.live) * 1000 * 2 ** failures, LONGEST_PAUSE);
}

// A reader's place is kept: focus, opened details, and where the log was scrolled to (its end stays its end).
function replace(old, fresh, source) {
  if (old.getAttribute("role") === "status") {
    if (old.textContent !== fresh.textContent) old.textContent = fresh.textContent;
    return;
  }
  if (source === (old.dataset.shown ?? old.outerHTML)) return;
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  if (old.contains(document.activeElement) && !(focused && fresh.querySelector("#" + CSS.escape(focused)))) return;
  for (const details of old.querySelectorAll("details[id]")) {
    const same = fresh.querySelector("#" + CSS.escape(details.id));
    if (same) same.open = details.open;
  }
  const scrolled = old.querySelector("[data-scrolls]");
  const atEnd = scrolled && scrolled.scrollTop + scrolled.clientHeight >= scrolled.scrollHeight - 8;
  const top = scrolled ? scrolled.scrollTop : 0;
  const element = document.importNode(fresh, true);
  element.dataset.shown = source;
  old.replaceWith(element);
  const now = element.querySelector("[data-scrolls]");
  if (now) now.scrollTop = atEnd ? now.scrollHeight : top;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

async function look() {
  try {
    const answer = await fetch(location.href, { headers: { "X-Requested-With": "live" }, cache: "no-store" });
    if (answer.status === 401 || answer.status === 404) {
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-piece]")) {
      const fresh = page.querySelector(`[data-piece="${CSS.escape(old.dataset.piece)}"]`);
      if (fresh) replace(old, fresh, fresh.outerHTML);
    }
    document.title = page.title;
    failures = 0;
    document.body.classList.remove("offline");
    if (page.body.dataset.live) document.body.dataset.live = page.body.dataset.live;
    else delete document.body.dataset.live;
  } catch {
    failures += 1; // the studio restarts, or the network is away: it is asked again, less and less often
    if (failures > 1) document.body.classList.add("offline");
  }
  next();
}

function next() {
  if (document.body.dataset.live) setTimeout(() => (document.hidden ? next() : look()), pause());
}

// Counting boxes takes CVAT a moment: of tasks that are seen, one after the other, while the list can already be read.
let counted = Promise.resolve();

async function count(place) {
  const answer = await fetch(place.dataset.boxes, { headers: { "X-Requested-With": "live" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  place.replaceChildren(...page.body.childNodes);
}

const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    sight.unobserve(entry.target);
    counted = counted.then(() => count(entry.target)).catch(() => {});
  }
});

for (const picture of document.querySelectorAll("img[data-preview]")) {
  const gone = () => picture.classList.add("missing");
  picture.addEventListener("error", gone);
  if (picture.complete && !picture.naturalWidth) gone();
}
for (const scrolled of document.querySelectorAll("[data-scrolls]")) scrolled.scrollTop = scrolled.scrollHeight;
document.querySelector("[data-summary]")?.focus();
for (const place of document.querySelectorAll("[data-boxes]")) sight.observe(place);
next();

// A link that logs in (`preannotate studio --print-login`): the token is in the fragment, which no server gets to see,
// and it leaves the address before anybody bookmarks it. Without this file it is typed or pasted.
if (location.hash.startsWith("#token=")) {
  const token = location.hash.slice("#token=".length);
  history.replaceState(null, "", location.pathname + location.search);
  const field = document.querySelector('form[action="/login"] input[name="token"]');
  if (field) {
    field.value = token;
    field.form.submit();
  }
}
