// Makes elements. What tenants and operators wrote is only ever text.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, listeners (`onclick`), properties that are no attributes (`.value`), and children. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same of SVG. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith(".")) element[name.slice(1)] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...kept(children));
  return element;
}

const kept = (children) => children.flat(9).filter((child) => child !== undefined && child !== null && child !== false);

/** Gives an element these children, and keeps the focus where it was if that is still there. */
export function put(element, ...children) {
  const focused = document.activeElement?.id;
  element.replaceChildren(...kept(children));
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus();
}

/** Lets a list of elements follow a list of things: what is there already stays, so that the focus does too. */
export function follow(parent, things, key, make, change) {
  const there = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = parent.firstElementChild;
  for (const thing of things) {
    const id = key(thing);
    let element = there.get(id);
    if (element) there.delete(id);
    else {
      element = make(thing);
      element.dataset.key = id;
    }
    change(element, thing);
    if (element === before) before = before.nextElementSibling;
    else parent.insertBefore(element, before);
  }
  for (const gone of there.values()) gone.remove();
}

/** Sets the text of an element, where it is another one. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A badge: its word says what its colour says. */
export function badge(kind, word) {
  return el("span", { class: `badge ${kind}` }, word);
}

/** Bars over time, one for each number. The words say what is to be seen. */
export function bars(numbers, words, kind) {
  const most = Math.max(1, ...numbers);
  const step = 2;
  const height = 28;
  const all = numbers.map((number, at) => {
    const tall = number === 0 ? 0 : Math.max(2, (number / most) * height);
    return svg("rect", { x: at * step, y: height - tall, width: step - 0.5, height: tall });
  });
  const size = { viewBox: `0 0 ${numbers.length * step} ${height}`, preserveAspectRatio: "none" };
  return svg("svg", { ...size, class: `bars ${kind}`, role: "img", "aria-label": words }, ...all);
}

/** Says something once, also to who does not see the page. */
export function tell(words) {
  const said = document.getElementById("said");
  put(said, el("p", {}, words));
  clearTimeout(tell.over);
  tell.over = setTimeout(() => said.replaceChildren(), 8000);
}
