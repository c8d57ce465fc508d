// What a person with a screen reader or a small screen (arguments[0] pixels wide) would stumble over; returns sentences.
const wrong = [];
const shown = (element) => element.checkVisibility({ checkVisibilityCSS: true });
const said = (element) =>
  (element.getAttribute("aria-label") || element.textContent || element.title || "").trim() ||
  [...element.querySelectorAll("img[alt]")].map((image) => image.alt).join("");

if (!document.documentElement.lang) wrong.push("no language");
if (!document.title.trim()) wrong.push("no title");
if (document.querySelectorAll("h1").length !== 1) wrong.push("not exactly one h1");
if (document.querySelectorAll("main").length !== 1) wrong.push("not exactly one main");
for (const nav of document.querySelectorAll("nav")) if (!nav.getAttribute("aria-label")) wrong.push("a nav without a name");

let level = 0;
for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
  const own = Number(heading.tagName[1]);
  if (own > level + 1 && level) wrong.push(`heading ${heading.textContent.trim()} skips a level`);
  level = own;
}

for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
  const label = field.labels && [...field.labels].some((one) => one.textContent.trim());
  if (!label && !field.getAttribute("aria-label")) wrong.push(`${field.name || field.id}: a field without a label`);
}
for (const image of document.querySelectorAll("img")) if (!image.hasAttribute("alt")) wrong.push("a picture without alt");
for (const drawing of document.querySelectorAll("svg"))
  if (!drawing.closest("[aria-hidden=true]") && !drawing.getAttribute("aria-label")) wrong.push("a drawing without a name");
for (const one of document.querySelectorAll("a, button, summary")) if (!said(one)) wrong.push(`${one.outerHTML.slice(0, 80)} without a name`);
for (const frame of document.querySelectorAll("iframe")) if (!frame.title) wrong.push("a frame without a title");
for (const cell of document.querySelectorAll("th")) if (!cell.scope) wrong.push("a th without scope");
for (const one of document.querySelectorAll("fieldset")) if (!one.querySelector("legend")?.textContent.trim()) wrong.push("a fieldset without a legend");

const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) wrong.push(`id ${id} twice`);
for (const name of ["aria-describedby", "aria-labelledby"])
  for (const one of document.querySelectorAll(`[${name}]`))
    for (const id of one.getAttribute(name).split(/\s+/)) if (!document.getElementById(id)) wrong.push(`${name} leads nowhere: ${id}`);
for (const link of document.querySelectorAll("a[href^='#']"))
  if (!document.getElementById(link.hash.slice(1))) wrong.push(`a link leads nowhere: ${link.hash}`);
for (const one of document.querySelectorAll("[style], [onclick]")) wrong.push(`inline: ${one.outerHTML.slice(0, 60)}`);

const width = arguments[0]; // of the screen; a phone widens its window for a page that does not fit
const wide = Math.max(document.documentElement.scrollWidth, innerWidth);
if (wide > width) wrong.push(`${wide} pixels wide on ${width}`);
for (const one of document.querySelectorAll("main a.button, main button"))
  if (shown(one) && one.getBoundingClientRect().height < 24) wrong.push(`${said(one)}: too small to be hit`);
return wrong;
