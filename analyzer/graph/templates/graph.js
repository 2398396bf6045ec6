"use strict";

// Everything that a peer said goes into the page as the text of a text node, never as markup.

const element = (id) => document.getElementById(id);
const json = (id) => JSON.parse(element(id).textContent);
const SVG = "http://www.w3.org/2000/svg";
const STEP = 14;
const APART = 13;

function h(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const cards = json("cards").map(([column, title, lines, weight, tag], at) => (
  { at, column, title, lines, weight, tag, text: [title, ...lines, tag].join(" ").toLowerCase() }));
const links = json("links").map(([source, target, label, tone, line, count, details]) => (
  { source: cards[source], target: cards[target], label, tone, line, count, details }));
for (const card of cards) Object.assign(card, { leaving: [], arriving: [] });
for (const link of links) {
  link.source.leaving.push(link);
  link.target.arriving.push(link);
}
const sections = [...document.querySelectorAll("#graph section")];
const times = (count) => `${count.toLocaleString("en")}×`;
const shade = (tone) => tone.replace("_", "-");
let limits = sections.map(() => STEP);
let chosen = null;

// What is shown

const wanted = () => new Set([...document.querySelectorAll("[data-tone]:checked")].map((box) => `${box.dataset.tone} ${box.dataset.line} `));
const kind = (link) => `${link.tone} ${link.line} `;
const legend = new Set([...document.querySelectorAll("[data-tone]")].map((box) => `${box.dataset.tone} ${box.dataset.line} `));

function along(start, tones) {
  // A card, and all that lies before and behind it.
  const found = new Set([start]);
  for (const [ends, other] of [["leaving", "target"], ["arriving", "source"]]) {
    const queue = [start];
    for (const card of queue) {
      for (const link of card[ends].filter(tones)) {
        if (!found.has(link[other])) {
          found.add(link[other]);
          queue.push(link[other]);
        }
      }
    }
  }
  return found;
}

function show() {
  const kinds = wanted();
  const all = kinds.size === legend.size;
  const tones = (link) => all || kinds.has(kind(link)) || !legend.has(kind(link));
  const words = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = cards;
  if (words.length) {
    const hit = cards.filter((card) => words.every((word) => card.text.includes(word)));
    found = [...new Set(hit.flatMap((card) => [...along(card, tones)]))];
  }
  if (chosen) found = [...along(chosen, tones)];
  if (!all) found = found.filter((card) => card.leaving.some(tones) || card.arriving.some(tones));
  const urgent = (card) => card === chosen || [...card.leaving, ...card.arriving].some((link) => link.tone === "failed" && tones(link));
  const columns = sections.map((_, column) => found.filter((card) => card.column === column)
    .map((card) => [urgent(card), card]).sort(([one, left], [other, right]) => other - one || right.weight - left.weight || left.at - right.at).map(([, card]) => card));
  const shown = columns.map((column, at) => column.slice(0, limits[at]));
  const { hops, lanes } = routed(shown, tones);
  const stations = shown.map((column, at) => [...column, ...lanes.filter((lane) => lane.column === at)]);
  arrange(stations, hops);
  sections.forEach((section, at) => {
    section.querySelector("ul").replaceChildren(...stations[at].map((each) => (each.lane ? each.item : draw(each, tones))));
    const left = columns[at].length - shown[at].length;
    const more = section.querySelector(".more");
    more.hidden = left === 0;
    more.textContent = `Show ${Math.min(left, STEP).toLocaleString("en")} more of ${left.toLocaleString("en")}`;
  });
  const hidden = cards.length - found.length;
  const behind = columns.reduce((sum, column) => sum + column.length, 0) - shown.reduce((sum, column) => sum + column.length, 0);
  element("status").textContent = [
    chosen ? `Only what is linked with ${chosen.title}` : "Choose a card to follow its links",
    hidden ? `${hidden.toLocaleString("en")} not shown` : "",
    behind ? `${behind.toLocaleString("en")} below` : "",
  ].filter(Boolean).join(" · ");
  connect(stations.flat(), hops, tones);
}

function routed(columns, tones) {
  // The ways of links from column to column: where one skips columns, it has a lane there and passes no card behind.
  // Links of one kind that lead to the same card share their lanes.
  const there = new Set(columns.flat());
  const lanes = new Map();
  const hops = new Map();
  const lane = (column, link) => {
    const key = `${column} ${link.target.at} ${link.label} ${kind(link)}`;
    if (!lanes.has(key)) lanes.set(key, { lane: true, column, at: cards.length + lanes.size, item: h("li", { class: "lane", "aria-hidden": "true" }) });
    return lanes.get(key);
  };
  for (const card of there) {
    for (const link of card.leaving.filter((one) => tones(one) && there.has(one.target))) {
      const step = Math.sign(link.target.column - card.column);
      let from = card;
      do {
        const to = from.column + step === link.target.column ? link.target : lane(from.column + step, link);
        const key = `${from.at} ${to.at} ${link.label} ${kind(link)}`;
        if (!hops.has(key)) hops.set(key, { from, to, links: [], count: 0 });
        const hop = hops.get(key);
        hop.links.push(link);
        hop.count += link.count;
        from = to;
      } while (from !== link.target);
    }
  }
  return { hops: [...hops.values()], lanes: [...lanes.values()] };
}

function by(end, hops) {
  const found = new Map();
  for (const hop of hops) found.set(hop[end], found.get(hop[end]) ?? []).get(hop[end]).push(hop);
  return found;
}

function arrange(columns, hops) {
  // Each card at the mean place of those it is linked with, so that few lines cross.
  const place = new Map();
  const settle = (column) => column.forEach((card, at) => place.set(card, at / Math.max(column.length - 1, 1)));
  columns.forEach(settle);
  const leaving = by("from", hops), arriving = by("to", hops);
  for (let sweep = 0; sweep < 6; sweep++) {
    const [near, other] = sweep % 2 ? [arriving, "from"] : [leaving, "to"];
    for (const column of sweep % 2 ? columns : [...columns].reverse()) {
      const mean = new Map(column.map((card) => {
        const linked = near.get(card) ?? [];
        const total = linked.reduce((sum, hop) => sum + hop.count, 0);
        return [card, total ? linked.reduce((sum, hop) => sum + place.get(hop[other]) * hop.count, 0) / total : place.get(card)];
      }));
      column.sort((left, right) => mean.get(left) - mean.get(right) || left.at - right.at);
      settle(column);
    }
  }
}

function rows(card, tones) {
  const found = new Map();
  for (const link of card.arriving.filter((one) => one.label && tones(one))) {
    const key = `${link.tone} ${link.label}`;
    const row = found.get(key) ?? { key, label: link.label, tone: link.tone, count: 0, details: new Map() };
    row.count += link.count;
    for (const [word, count] of link.details) row.details.set(word, (row.details.get(word) ?? 0) + count);
    found.set(key, row);
  }
  const order = new Intl.Collator("en", { numeric: true });
  return [...found.values()].sort((left, right) => (left.tone === "failed") - (right.tone === "failed") || order.compare(left.label, right.label));
}

function draw(card, tones) {
  const told = rows(card, tones).map((row) => {
    const details = [...row.details].sort(([, left], [, right]) => right - left).map(([word, count]) => (count === row.count ? word : `${word} ${count}`)).join(", ");
    return [h("dt", { class: `dot ${shade(row.tone)}`, "data-row": row.key }), h("dd", null, row.label, details ? h("span", { class: "detail" }, details) : null), h("dd", null, times(row.count))];
  });
  const button = h("button", { type: "button", class: "title", "aria-pressed": String(card === chosen) }, h("bdi", null, card.title));
  card.item = h("li", { class: `card${card === chosen ? " chosen" : ""}` }, button,
    card.lines.map((line) => h("p", null, h("bdi", null, line))),
    card.tag ? h("p", { class: `tag ${card.tag === "self-signed" ? "requested" : "mutual"}` }, card.tag) : null,
    told.length ? h("dl", null, told) : null);
  button.addEventListener("click", () => choose(card === chosen ? null : card));
  card.item.addEventListener("mouseenter", () => light(card, tones));
  card.item.addEventListener("mouseleave", () => light(null, tones));
  button.addEventListener("focus", () => light(card, tones));
  button.addEventListener("blur", () => light(null, tones));
  return card.item;
}

// Lines

let redraw = () => {};

function connect(stations, hops, tones) {
  const leaving = by("from", hops);
  redraw = () => {
    const origin = element("graph").getBoundingClientRect();
    const box = (node) => {
      const { left, right, top, bottom } = node.getBoundingClientRect();
      return { left: left - origin.left, right: right - origin.left, middle: (top + bottom) / 2 - origin.top, top: top - origin.top, height: bottom - top };
    };
    const places = new Map(stations.map((each) => [each, box(each.item)]));
    const arrives = ({ to, links: [link] }) => {
      if (to.lane) return places.get(to).middle;
      const row = [...to.item.querySelectorAll("[data-row]")].find((each) => each.dataset.row === `${link.tone} ${link.label}`);
      return row ? box(row).middle : places.get(to).top + 20;
    };
    const drawn = [];
    for (const [from, away] of leaving) {
      const sorted = away.map((hop) => ({ hop, y: arrives(hop) })).sort((left, right) => left.y - right.y);
      const place = places.get(from);
      const apart = Math.min(APART, (place.height - 14) / Math.max(sorted.length - 1, 1));
      sorted.forEach(({ hop, y }, at) => {
        drawn.push(line(hop, place, place.middle + (at - (sorted.length - 1) / 2) * apart, places.get(hop.to), y));
      });
    }
    element("lines").replaceChildren(...drawn);
    light(lit, tones);
  };
  redraw();
}

function line(hop, from, y1, to, y2) {
  const [link] = hop.links;
  const width = Math.min(1.3 + 0.5 * Math.log2(Math.max(hop.count, 1)), 5);
  const ahead = hop.to.column > hop.from.column;
  const behind = hop.to.column < hop.from.column;
  const [begin, leave] = behind ? [from.right, from.left] : [from.left, from.right];
  const come = ahead ? to.left : to.right;
  const end = hop.to.lane ? come : ahead ? come - 8 : come + 8;
  const loop = !ahead && !behind;
  const reach = loop ? 50 : (end - leave) / 2;
  const half = Math.max(3.5, width);
  const start = hop.from.lane ? `M${begin} ${y1}H${leave}` : `M${leave} ${y1}`;
  const group = svg("g", { class: shade(link.tone) },
    svg("path", { class: link.line, "stroke-width": width, d: `${start}C${leave + reach} ${y1} ${loop ? end + reach : end - reach} ${y2} ${end} ${y2}` }),
    ...(hop.to.lane ? [] : [svg("polygon", { points: `${come},${y2} ${end},${y2 - half} ${end},${y2 + half}` })]));
  group.links = hop.links;
  return group;
}

let lit = null;

function light(card, tones) {
  lit = card;
  element("graph").classList.toggle("dimmed", Boolean(card));
  if (!card) return;
  const near = along(card, tones);
  for (const each of cards) each.item?.classList.toggle("lit", near.has(each));
  for (const group of element("lines").children) group.classList.toggle("lit", group.links.some((link) => near.has(link.source) && near.has(link.target)));
}

// The reader

function choose(card) {
  chosen = card;
  limits = sections.map(() => STEP);
  lit = null;
  show();
  if (card) card.item.querySelector("button").focus({ preventScroll: true });
}

const form = document.querySelector("form.filters");
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", show);
form.addEventListener("reset", () => setTimeout(() => choose(null)));
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && chosen) choose(null);
});
sections.forEach((section, at) => section.querySelector(".more").addEventListener("click", () => {
  limits[at] += STEP;
  show();
}));
new ResizeObserver(() => redraw()).observe(element("graph"));
show();
