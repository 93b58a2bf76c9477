// Which words of a claim and of a passage say the same, for the eye only: the verdict was made elsewhere. Words are equal when
// they are without case and common endings.

const words = /[\p{L}\p{N}]+(?:[.,:'’-][\p{L}\p{N}]+)*%?/gu;

// Marking these would mark everything.
const small = new Set(
  "a an and are as at be been but by can did do does for from had has have he her his i in is it its no not of on or our she so that the their them then there these they this to was we were what when where which who will with would you your".split(" "));

function stem(text) {
  const plain = text.toLowerCase().replace(/['’]s$/, "");
  return plain.length > 4 && /^\p{L}+$/u.test(plain) ? plain.replace(/(?:ing|ed|es|s|ly)$/, "") : plain;
}

const tokens = text => text.match(words) ?? [];

/// The words of a claim and its passage, told apart: `misfit` of the claim, `fit` and `otherwise` of the passage.
export function compare(verification, index) {
  const details = verification.evidence_details?.[index];
  const misfit = new Set((details?.unmatched ?? []).flatMap(tokens).map(stem));
  const claim = new Set(tokens(verification.claim ?? "").map(stem));
  const fit = new Set([...claim].filter(each => !misfit.has(each) && !small.has(each)));
  const otherwise = new Set();
  if (verification.verdict === "contradicted") {
    // "The answer says 184 metres, document 1 says 148 metres.": what of it the claim does not hold, the passage says instead.
    const said = (verification.reasoning ?? "").replace(/document \d+/gi, "");
    for (const each of tokens(said).map(stem)) if (!claim.has(each) && !small.has(each)) otherwise.add(each);
  }
  return { misfit, fit, otherwise };
}

/// A text in nodes, with the words of each set within an element made by its function.
export function marked(text, ...rules) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(words)) {
    const key = stem(match[0]);
    const rule = rules.find(([set]) => set.has(key));
    if (!rule) continue;
    if (match.index > end) nodes.push(text.slice(end, match.index));
    nodes.push(rule[1](match[0]));
    end = match.index + match[0].length;
  }
  if (end < text.length) nodes.push(text.slice(end));
  return nodes;
}
