"use strict";

// Everything that a peer said goes into the page as the text of a text node, never as markup.

const element = (id) => document.getElementById(id);
const json = (id) => JSON.parse(element(id).textContent);
const linesOf = (id) => element(id).textContent.split("\n").filter((line) => line !== "");

function h(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key === "onclick") made.addEventListener("click", value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

// Whatever a peer chose is isolated, so that right-to-left text does not turn its surroundings around.
const peer = (text) => h("bdi", null, text.split(/(?<=[./,_-])/).flatMap((part, at) => (at ? [h("wbr"), part] : part)));
const address = (text) => text.split(/(?<=:)/).flatMap((part, at) => (at ? [h("wbr"), part] : part));
const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

// The data

const ROW = ["id", "capture", "stream", "start", "client", "server", "serverName", "version", "authentication",
  "authenticationWords", "outcome", "outcomeWords", "cause", "reason", "tone", "also"];
const captures = json("captures");
const rows = json("rows").map((values, index) => {
  const row = Object.fromEntries(ROW.map((key, at) => [key, values[at]]));
  row.index = index;
  row.text = [row.stream, row.client, row.server, row.serverName, row.version, row.authenticationWords, row.outcomeWords,
    row.reason, row.also, captures[row.capture]].join(" ").toLowerCase();
  return row;
});
const byId = new Map(rows.map((row) => [row.id, row]));
const diagrams = json("diagrams");
const sameDay = new Set(rows.map((row) => row.start.slice(0, 10))).size === 1;
let details, shared;

function detailOf(row) {
  details ??= linesOf("details");
  shared ??= linesOf("shared");
  const common = (number) => (number === null || number === undefined ? null : JSON.parse(shared[number]));
  const detail = JSON.parse(details[row.index]);
  for (const key of ["evidence", "findings", "proofs"]) detail[key] = (detail[key] ?? []).map(common);
  for (const side of ["server", "client"]) {
    detail.certificates[side] = detail.certificates[side].map(common);
    detail.chain[side] = common(detail.chain[side]);
  }
  return detail;
}

// The table

const time = (row) => row.start.slice(0, 10) + " " + row.start.slice(11, 23);
// What came out of it stands first: a table that is wider than the screen loses the rest.
const COLUMNS = [
  { title: "Stream", sort: (row) => row.index, cell: (row) => h("a", { href: "#" + row.id }, row.stream) },
  { title: "Authentication", sort: (row) => row.authenticationWords, cell: (row) => verdict(row.authentication, row.authenticationWords, AUTHENTICATION) },
  { title: "Outcome", sort: (row) => row.outcomeWords, cell: (row) => verdict(row.outcome, row.outcomeWords, OUTCOME) },
  { title: "Why", wraps: "long", sort: (row) => row.reason, cell: (row) => row.reason && peer(row.reason) },
  { title: "Server name", wraps: "long", sort: (row) => row.serverName, cell: (row) => row.serverName && peer(row.serverName) },
  { title: "Client", wraps: "address", sort: (row) => row.client, cell: (row) => address(row.client) },
  { title: "Server", wraps: "address", sort: (row) => row.server, cell: (row) => address(row.server) },
  { title: "Version", sort: (row) => row.version, cell: (row) => row.version },
  { title: sameDay ? "Time (UTC)" : "Begun (UTC)", wraps: "time", sort: (row) => row.start, cell: (row) => time(row).slice(sameDay ? 11 : 0) },
];
if (captures.length > 1) COLUMNS.splice(1, 0, { title: "Capture", wraps: "long", sort: (row) => row.capture, cell: (row) => peer(captures[row.capture]) });
const AUTHENTICATION = { mutual: "mutual", "one-way": "one-way", "requested-not-provided": "requested", undetermined: "undetermined" };
const OUTCOME = { established: "mutual", failed: "failed", incomplete: "undetermined" };
const FILTERS = ["authentication", "outcome", "version", "cause"].filter((name) => element(name));
const STEP = 200;
const collator = new Intl.Collator("en", { numeric: true });
let sorted = { column: 0, down: false };
let chosen = rows;
let shown = 0;

const badge = (text, tone) => h("span", { class: "badge " + (tone ?? "other") }, text);
const verdict = (word, words, tones) => h("span", null, badge(word, tones[word]), h("span", { class: "muted basis" }, words.slice(word.length)));

function compare(left, right) {
  return typeof left === "number" ? left - right : collator.compare(left, right);
}

const unknown = (value) => value === null || value === "";

function choose() {
  const words = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = FILTERS.map((name) => [name, element(name).value]).filter(([, value]) => value);
  chosen = rows.filter((row) => wanted.every(([name, value]) => row[name] === value) && words.every((word) => row.text.includes(word)));
  const { column, down } = sorted;
  if (column || down) {
    const key = COLUMNS[column].sort;
    const keyed = chosen.map((row) => [key(row), row]);
    keyed.sort(([left, one], [right, other]) => unknown(left) - unknown(right) // what is not known comes last
      || (unknown(left) ? 0 : (down ? -1 : 1) * compare(left, right)) || one.index - other.index);
    chosen = keyed.map(([, row]) => row);
  }
  shown = 0;
  element("handshakes").tBodies[0].replaceChildren();
  showMore();
  for (const button of document.querySelectorAll("button[data-filter]")) {
    button.setAttribute("aria-pressed", element(button.dataset.filter).value === button.dataset.value);
  }
}

function showMore() {
  const next = chosen.slice(shown, shown + STEP);
  element("handshakes").tBodies[0].append(...next.map((row) => h("tr", { class: row.tone, "data-id": row.id },
    COLUMNS.map((column, at) => h(at ? "td" : "th", { scope: at ? null : "row", class: column.wraps }, column.cell(row) || "")))));
  shown += next.length;
  const left = chosen.length - shown;
  element("more").hidden = left === 0;
  element("more").textContent = `Show ${Math.min(left, STEP).toLocaleString("en")} more of ${left.toLocaleString("en")}`;
  const all = count(rows.length, "handshake");
  const listed = left ? `, the first ${shown.toLocaleString("en")} listed` : "";
  element("status").textContent = chosen.length === rows.length ? all + listed : `${chosen.length.toLocaleString("en")} of ${all}${listed}`;
}

function sortBy(column) {
  sorted = { column, down: sorted.column === column && !sorted.down };
  for (const [at, head] of [...element("handshakes").tHead.rows[0].cells].entries()) {
    if (at === column) head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  choose();
}

function setUpTable() {
  element("handshakes").tHead.rows[0].append(...COLUMNS.map((column, at) =>
    h("th", { scope: "col", "aria-sort": at ? null : "ascending" }, h("button", { type: "button", onclick: () => sortBy(at) }, column.title))));
  element("handshakes").tBodies[0].addEventListener("click", (event) => {
    if (!event.target.closest("a") && !String(getSelection())) location.hash = event.target.closest("tr").dataset.id;
  });
  const form = document.querySelector("form.filters");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", choose);
  form.addEventListener("reset", () => setTimeout(choose));
  element("more").addEventListener("click", showMore);
  for (const button of document.querySelectorAll("button[data-filter]")) {
    button.addEventListener("click", () => {
      const field = element(button.dataset.filter);
      field.value = field.value === button.dataset.value ? "" : button.dataset.value;
      choose();
    });
  }
  choose();
}

// A handshake's section

function section(title, ...content) {
  const full = content.flat(Infinity).filter((each) => each);
  return full.length ? h("section", { class: "part" }, h("h3", null, title), full) : null;
}

function copyable(text, label) {
  const button = h("button", { type: "button", class: "copy", title: "Copy", "aria-label": `Copy ${text}`, onclick: () => copy(text, button) },
    h("code", null, label ?? text));
  return button;
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    getSelection().selectAllChildren(button);
    if (!document.execCommand("copy")) return;
  }
  button.classList.add("copied");
  element("announce").textContent = `Copied ${text}`;
  setTimeout(() => button.classList.remove("copied"), 1200);
}

const ofFrame = (frame) => (frame ? copyable(`frame.number == ${frame}`, `frame ${frame}`) : null);

function remedy(text) {
  // Who can do what stands on lines of its own; what is between backquotes can be copied.
  return text.split(/ (?=(?:Client's owner|Server's owner|Network's owner|To confirm): )/).map((line) => {
    const [, owner, advice] = /^([A-Z][a-z']+ [a-z]+): (.*)$/s.exec(line) ?? [null, null, line];
    return h("p", null, owner ? h("strong", null, owner + ": ") : null,
      advice.split(/`([^`]+)`/).map((part, at) => (at % 2 ? copyable(part) : peer(part))));
  });
}

function finding(each, root) {
  return h("div", { class: `finding ${{ error: "failed", warning: "requested", notice: "undetermined" }[each.severity]}` },
    h("p", { class: "head" }, badge(root ? "root cause" : each.severity, { error: "failed", warning: "requested", notice: "undetermined" }[each.severity]),
      " ", h("code", null, each.code), " ", h("span", { class: "muted" }, `${each.confidence}, ${each.stage}`)),
    h("p", { class: "summary" }, peer(each.summary)),
    remedy(each.remedy),
    h("p", { class: "shown-by" }, each.evidence.map((one) => copyable(one.display_filter))));
}

function diagram(row) {
  const svg = diagrams[row.index];
  if (!svg) return null;
  // A tree of its own: neither its style nor its identifiers meet those of the page or of another diagram.
  const host = h("div");
  const parsed = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  for (const styled of parsed.querySelectorAll("[style]")) {
    styled.setAttribute("style", styled.getAttribute("style").replace(/#([0-9a-f]{6})\b/g, "var(--c-$1, #$1)"));
  }
  parsed.setAttribute("role", "img");
  parsed.setAttribute("aria-label", `Sequence diagram of ${row.stream}; its messages are listed below it`);
  const dark = Object.entries(json("dark")).map(([light, color]) => `--c-${light.slice(1)}: ${color};`).join(" ");
  const rules = h("style", null, "svg { display: block; max-width: 100%; height: auto; margin: auto } @media print { svg { width: auto; max-height: 19cm } }",
    `@media screen and (prefers-color-scheme: dark) { :host { ${dark} } }`);
  host.attachShadow({ mode: "open" }).append(rules, document.importNode(parsed, true));
  return h("figure", { class: "diagram" }, host);
}

const milliseconds = (seconds) => (seconds < 1 ? `${(seconds * 1000).toFixed(2)} ms` : `${seconds.toFixed(3)} s`);

function messages(detail) {
  const alerts = new Map((detail.alerts ?? []).map((alert) => [alert.frame + alert.sender, alert.description]));
  return h("ol", { class: "ladder", "aria-label": "Messages" },
    h("li", { class: "parties", "aria-hidden": "true" }, h("span", null, "client"), h("span", null, "server")),
    (detail.messages ?? []).map(([frame, at, sender, name, length, protection]) => {
      const alert = name === "alert" ? alerts.get(frame + sender) : null;
      const receiver = sender === "client" ? "server" : "client";
      return h("li", { class: `from-${sender} ${protection}${alert && alert !== "close_notify" ? " failed" : ""}` },
        h("span", { class: "visually-hidden" }, `${sender} to ${receiver}: `),
        h("span", { class: "name" }, name, alert ? [": ", peer(alert)] : null),
        h("span", { class: "where muted" }, `frame ${frame} · ${milliseconds(at)} · ${length.toLocaleString("en")} bytes${protection === "cleartext" ? "" : " · " + protection}`));
    }));
}

function definitions(entries) {
  const known = entries.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return known.length ? h("dl", null, known.map(([term, value]) => [h("dt", null, term), h("dd", null, value)])) : null;
}

function certificate(each, place, length) {
  const role = place === 0 ? "leaf" : each.self_signed ? "root" : "intermediate";
  return h("li", { class: "certificate" },
    h("p", { class: "subject" }, peer(each.subject || "(no subject)")),
    h("p", { class: "tags" }, [length > 1 ? role : null, each.self_signed ? "self-signed" : null, each.ca ? "CA" : null]
      .filter(Boolean).map((tag) => h("span", { class: "tag" }, tag))),
    definitions([
      ["issuer", each.self_signed ? "itself" : peer(each.issuer || "(no issuer)")],
      ["valid", [each.not_before, each.not_after].map((when) => (when ? when.slice(0, 10) : "?")).join(" to ")],
      ["names", each.san.length ? each.san.map((name) => h("div", null, peer(name))) : null],
      ["key", each.key],
      ["signature", each.algorithm],
      ["serial", h("code", null, each.serial_number)],
      ["SHA-256", copyable(each.sha256)],
    ]));
}

const STATUS = { pass: ["✓", "mutual"], fail: ["✗", "failed"], undetermined: ["?", "undetermined"], "not-applicable": ["–", "undetermined"] };

function status(word, text) {
  const [sign, tone] = STATUS[word];
  return h("span", { class: `status ${tone}` }, h("span", { class: "sign", "aria-hidden": "true" }, sign), text ?? word);
}

function check(each) {
  return h("li", null, status(each.status, each.check),
    each.expected ? h("p", null, "expected: ", peer(each.expected)) : null,
    each.got ? h("p", null, each.status === "fail" ? "got: " : "", peer(each.got)) : null,
    each.citation ? h("p", { class: "citation muted" }, each.citation) : null);
}

function chain(made) {
  if (!made) return h("p", { class: "muted" }, "The chain was not judged.");
  const telling = made.checks.filter((each) => each.status === "fail" || each.status === "undetermined");
  const quiet = made.checks.filter((each) => !telling.includes(each));
  return [
    h("p", null, status(made.status, `chain: ${made.status}`), made.anchor ? [" · leads to ", peer(made.anchor)] : null),
    telling.length ? h("ul", { class: "checks" }, telling.map(check)) : null,
    quiet.length ? h("details", null, h("summary", null, `${count(quiet.length, "check")} that passed or did not apply`), h("ul", { class: "checks quiet" }, quiet.map(check))) : null,
  ];
}

function side(detail, name) {
  const sent = detail.certificates[name];
  if (!sent.length) return null;
  return h("div", { class: "side" }, h("h4", null, `The ${name}'s`), h("ol", { class: "certificates" }, sent.map((each, place) => certificate(each, place, sent.length))), chain(detail.chain[name]));
}

function proof(each) {
  return h("li", null, status(each.status, `${each.of}'s ${each.message}`), " ", each.algorithm ? h("code", null, each.algorithm) : null, " ", ofFrame(each.frame),
    each.reason ? h("p", { class: "muted" }, each.reason) : null);
}

function facts(row, detail) {
  const yes = (value) => (value === null || value === undefined ? null : value ? "yes" : "no");
  const resumes = detail.resumes && `#${row.id.replace(/stream-\d+-\d+$/, "")}stream-${detail.resumes.stream}-${detail.resumes.handshake}`;
  return definitions([
    ["begun", time(row) + " UTC"],
    ["duration", detail.duration === undefined ? null : milliseconds(detail.duration)],
    ["frames", `${detail.first_frame} to ${detail.last_frame}`],
    ["before TLS", detail.preamble],
    ["server name", row.serverName && peer(row.serverName)],
    ["version", row.version],
    ["cipher suite", detail.cipher_suite && peer(detail.cipher_suite)],
    ["group", detail.group],
    ["protocol", detail.alpn && peer(detail.alpn)],
    ["hello retry", detail.hello_retry_request ? "yes" : null],
    ["early data", detail.early_data ? "offered" : null],
    ["resumption", detail.resumption && [detail.resumption, resumes ? [" of ", h("a", { href: resumes }, `stream ${detail.resumes.stream}`)] : null]],
    ["client certificate requested", yes(detail.client_certificate_requested)],
    ["client certificate presented", yes(detail.client_certificate_presented)],
    ["inside TLS", detail.application && peer(exchange(detail.application))],
    ["closed by", detail.closed_by && [`${detail.closed_by.sender}, ${detail.closed_by.how.toUpperCase()} `, ofFrame(detail.closed_by.frame)]],
    ["history", detail.history],
    ["JA3", detail.ja3 && h("code", null, detail.ja3)],
    ["JA3S", detail.ja3s && h("code", null, detail.ja3s)],
    ["JA4", detail.ja4 && h("code", null, detail.ja4)],
  ]);
}

function exchange({ protocol, request, response }) {
  const asked = request && [request.method, request.path, request.authority && `at ${request.authority}`, request.purpose && "(a request for an OAuth token)"];
  const answered = response && [response.status, response.reason];
  return `${protocol}: ${[asked, answered].filter(Boolean).map((part) => part.filter(Boolean).join(" ")).join(" → ")}`;
}

function article(row, level) {
  const detail = detailOf(row);
  const findings = [...detail.findings].sort((one, other) => (other.code === row.cause) - (one.code === row.cause));
  const picture = diagram(row);
  const command = `mtlscope diagram ${json("arguments")[row.capture]} --stream ${detail.stream}${detail.handshake ? ` --handshake ${detail.handshake}` : ""} -o stream-${detail.stream}.svg`;
  const list = messages(detail);
  const none = !detail.messages?.length;
  return h("article", { class: row.tone },
    h(level, { tabindex: -1 }, captures.length > 1 ? [peer(captures[row.capture]), " · "] : null, row.stream, " · ", row.client, " → ", row.server),
    h("p", { class: "verdict" }, verdict(row.authentication, row.authenticationWords, AUTHENTICATION), verdict(row.outcome, row.outcomeWords, OUTCOME), copyable(detail.display_filter)),
    findings.map((each) => finding(each, each.code === row.cause)),
    h("div", { class: "columns" },
      h("div", { class: "narrow" },
        section("What the verdict rests on", h("ul", { class: "evidence" }, detail.evidence.map((each) =>
          h("li", null, peer(each.says), " ", ofFrame(each.frame))))),
        section("Proofs", detail.proofs.length ? h("ul", { class: "checks" }, detail.proofs.map(proof)) : null),
        section("Facts", facts(row, detail))),
      h("div", { class: "wide" },
        picture ? section("Sequence", picture) : null,
        none ? null : picture ? h("details", { class: "part" }, h("summary", null, h("h3", null, "Messages")), list) : section("Messages", list,
          h("p", { class: "muted" }, "The full diagram: ", copyable(command))),
        section("Certificates", ["server", "client"].map((name) => side(detail, name))))));
}

function route() {
  const row = byId.get(decodeURIComponent(location.hash.slice(1)));
  const open = element("handshake").dataset.id;
  element("overview").hidden = Boolean(row);
  element("handshake").hidden = !row;
  document.title = row ? `${row.stream} · ${row.authenticationWords} · ${row.outcomeWords}` : title;
  if (!row) {
    delete element("handshake").dataset.id;
    element("handshake").replaceChildren();
    if (open) document.querySelector(`tr[data-id="${CSS.escape(open)}"] a`)?.focus();
    return;
  }
  const at = chosen.indexOf(row);
  const step = (to, text, rel) => (at >= 0 && chosen[to] ? h("a", { href: "#" + chosen[to].id, rel }, text) : null);
  element("handshake").dataset.id = row.id;
  element("handshake").replaceChildren(
    h("nav", { "aria-label": "Handshakes" }, h("a", { href: "#" }, "All handshakes"), h("span", { class: "steps" },
      step(at - 1, "Previous", "prev"), at >= 0 ? h("span", { class: "muted" }, `${(at + 1).toLocaleString("en")} of ${chosen.length.toLocaleString("en")}`) : null, step(at + 1, "Next", "next"))),
    article(row, "h2"));
  scrollTo(0, 0);
  element("handshake").querySelector("h2").focus({ preventScroll: true });
}

// On paper: the table, and the sections of the first handshakes as they are filtered and sorted.

const PRINTED = 25;

function beforePrint() {
  for (const each of document.querySelectorAll("details:not([open])")) {
    each.open = true;
    each.dataset.closed = "";
  }
  if (!element("handshake").hidden) return;
  const told = chosen.slice(0, PRINTED);
  const rest = chosen.length > told.length ? h("p", { class: "muted" }, `Sections of the first ${told.length} of ${count(chosen.length, "handshake")}.`) : null;
  element("print").replaceChildren(...[rest, ...told.map((row) => article(row, "h2"))].filter(Boolean));
  element("print").hidden = false;
}

function afterPrint() {
  for (const each of document.querySelectorAll("details[data-closed]")) {
    each.open = false;
    delete each.dataset.closed;
  }
  element("print").hidden = true;
  element("print").replaceChildren();
}

const title = document.title;
document.body.append(h("p", { id: "announce", class: "visually-hidden", role: "status", "aria-live": "polite" }));
setUpTable();
route();
addEventListener("hashchange", route);
addEventListener("beforeprint", beforePrint);
addEventListener("afterprint", afterPrint);
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !element("handshake").hidden) location.hash = "";
});
