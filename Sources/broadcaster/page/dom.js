// Elements. Texts of others come in as text nodes and attribute values only: nothing here makes markup out of a string.

/// An element with attributes (`class`, `aria-label`, …; `onclick` and the like as functions; null and false are left out).
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/// The same for SVG.
export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter(child => child != null && child !== false));
  return element;
}

export const byID = id => document.getElementById(id);

/// A word for a class name: whatever stood there, only letters remain.
export const word = text => String(text ?? "").replace(/[^A-Za-z]/g, "");

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const count = new Intl.NumberFormat();

/// Within a day the clock tells enough.
export const time = milliseconds => (Math.abs(Date.now() - milliseconds) < 86_400_000 ? clock : day).format(milliseconds);

export const number = value => count.format(value);

/// `1 audit`, `2 audits`.
export const plural = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

/// To the clipboard; without the permission, or without https, by way of a text field. Whether it went.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = make("textarea", { class: "unseen", readonly: true });
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

/// A button that copies and says so.
export function copyButton(label, text) {
  return make("button", {
    type: "button", class: "copy",
    async onclick(event) {
      const button = event.currentTarget;
      button.textContent = await copy(text()) ? "Copied" : "Not copied";
      setTimeout(() => { button.textContent = label; }, 1500);
    },
  }, label);
}
