// A safe part of Markdown for guidelines, built as elements: whatever is not known stays text as it was typed.

const INLINE = new RegExp(
  [
    /\\(?<escaped>[\\`*_[\]()#+.!~>-])/,
    /(?<ticks>`+)(?<code>[^`]+)\k<ticks>/,
    /\*\*(?<bold>\S(?:[^*]*[^\s*])?)\*\*/,
    /(?<![\w_])__(?<bold2>\S(?:[^_]*[^\s_])?)__(?![\w_])/,
    /\*(?<italic>[^\s*](?:[^*]*[^\s*])?)\*/,
    /(?<![\w_])_(?<italic2>[^\s_](?:[^_]*[^\s_])?)_(?![\w_])/,
    /\[(?<text>[^[\]]+)\]\((?<url>https?:\/\/[^\s()]+)\)/,
    /(?<plainUrl>\bhttps?:\/\/[^\s<>()]+[^\s<>().,;:!?])/,
  ].map(({ source }) => source).join("|"),
  "g",
);
const HEADING = /^#{1,6}\s+(.*?)\s*#*$/;
const BULLET = /^\s*[-*+]\s+(.*)$/;
const NUMBER = /^\s*(\d{1,9})[.)]\s+(.*)$/;
const FENCE = /^\s*```/;

// Returns a list of elements.
function markdown(text) {
  const lines = text.split(/\r?\n/);
  const made = [];
  while (lines.length) {
    if (!lines[0].trim()) lines.shift();
    else made.push(block(lines));
  }
  return made;
}

function block(lines) {
  if (FENCE.test(lines[0])) return fenced(lines);
  const heading = HEADING.exec(lines[0]);
  if (heading) {
    const level = /^#+/.exec(lines.shift())[0].length;
    return element(level < 3 ? "h3" : "h4", {}, ...inline(heading[1]));
  }
  if (BULLET.test(lines[0])) return list("ul", BULLET, lines);
  if (NUMBER.test(lines[0])) return list("ol", NUMBER, lines);
  const paragraph = takeWhile(lines, (line) => line.trim() && ![FENCE, HEADING, BULLET, NUMBER].some((kind) => kind.test(line)));
  return element("p", {}, ...inline(paragraph.join("\n"))); // line breaks stay, as people type them
}

function fenced(lines) {
  lines.shift();
  const code = takeWhile(lines, (line) => !FENCE.test(line));
  lines.shift();
  return element("pre", { tabindex: "0" }, element("code", { text: code.join("\n") }));
}

function list(tag, kind, lines) {
  const start = tag === "ol" ? Number(NUMBER.exec(lines[0])[1]) : 1;
  const items = takeWhile(lines, (line) => kind.test(line)).map((line) => element("li", {}, ...inline(kind.exec(line).at(-1))));
  return element(tag, { start: start === 1 ? null : start }, ...items);
}

function takeWhile(lines, wanted) {
  const end = lines.findIndex((line) => !wanted(line));
  return lines.splice(0, end < 0 ? lines.length : end);
}

function inline(text) {
  const made = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    made.push(text.slice(from, match.index), marked(match.groups));
    from = match.index + match[0].length;
  }
  made.push(text.slice(from));
  return made.filter((part) => part !== "");
}

function marked({ escaped, code, bold, bold2, italic, italic2, text, url, plainUrl }) {
  if (escaped) return escaped;
  if (code) return element("code", { text: code });
  if (bold ?? bold2) return element("strong", {}, ...inline(bold ?? bold2));
  if (italic ?? italic2) return element("em", {}, ...inline(italic ?? italic2));
  return element("a", { href: url ?? plainUrl, target: "_blank", rel: "noopener noreferrer", text: text ?? plainUrl });
}
