// What the classifier is given of a claim and the passage that speaks most of it. Each feature compares the two; none describes
// only the document, only the claim or its style. Each has a sign: more of it never lowers, or never raises, support.

import Glibc

/// The features of a claim.
struct ClaimFeatures {
    enum Name: Int, CaseIterable {
        // More of these never lowers support.

        /// Weight of the claim's words that any document holds: the same or nearly the same, and the same only.
        case documentCoverage, stemCoverage
        /// How much weight that is: of two claims that are held alike, more speaks for the one that says more.
        case amount
        /// Share of all its words, the common ones too, that stand in a document as they are.
        case formCoverage
        /// Weight of the words of the passage: without names and numbers; more for later words; most for the last, which say what is new.
        case plainCoverage, tailCoverage, endCoverage
        /// Share of neighbours that are neighbours in the passage; of words that stand near their neighbours somewhere; of words in the claim's order;
        /// of words in the same form.
        case bigrams, pairs, order, exactness
        /// A field or row of a table says the same.
        case fieldAgrees

        // More of these never raises it.

        /// Weight of the words that no document, or not this passage, holds; of the longest run of them; of the largest.
        case missing, missingHere, run, largestHole
        /// Numbers for which the passage has another, that no document holds, that stand elsewhere only.
        case numberReplaced, numberAbsent, numberElsewhere
        /// Names for which the passage has another, that no document holds, that stand apart from their neighbours; the latter of any word.
        case nameReplaced, nameAbsent, nameUnbound, unbound
        /// A denial on one side only, within the scope of words that fit; an opposite; another kind of the same thing.
        case negation, opposite, sibling
        /// Words such as `only` and `always`, `before` and `less`, `I` that the passage does not hold.
        case absolutes, comparatives, firstPerson
        /// A denial where the passage has none at all; between words that are repeated one by one; a name changed between such.
        case negationExcess, wordDenied, wordNameReplaced
        /// Words put in the place of others, or between them, where the passage is repeated word for word.
        case wordReplaced, wordInserted
        /// A field or row of a table says otherwise.
        case fieldDiffers

        var raisesSupport: Bool { rawValue <= Name.fieldAgrees.rawValue }
    }

    /// Share of the claim's weight that stands in the passage; the same without the words that do not fit it.
    private(set) var coverage = 0.0
    private(set) var coverageOfRest = 0.0
    private(set) var values = [Double](repeating: 0, count: Name.allCases.count)
    var mismatches: [Mismatch] = []

    subscript(name: Name) -> Double {
        get { values[name.rawValue] }
        set { values[name.rawValue] = newValue }
    }

    private static let absolutes = Tokenizer.stopSet("only all every any each both same most very more no none not")
    private static let comparatives = Tokenizer.stopSet("more over under before after above below than less during through until while between because although though down up out off")
    private static let firstPerson = Tokenizer.stopSet("i my me i'm i've i'll i'd we our us")
    private static let absoluteForms = Tokenizer.forms(
        "always never entire entirely exclusively solely sole first last best worst largest smallest highest lowest oldest youngest longest everyone everything completely fully exactly nobody none")
    private static let comparativeForms = Tokenizer.forms(
        "less fewer higher lower greater bigger larger smaller longer shorter older younger later earlier better worse least exceed exceeds without despite instead")

    /// Of a claim of whose words no document holds any.
    init(without match: ClaimMatch) {
        let total = match.claim.totalWeight
        self[.missing] = log1p(total)
        self[.missingHere] = log1p(total)
        self[.run] = log1p(total)
        self[.largestHole] = match.claim.words.reduce(0) { max($0, $1.weight) }
        self[.numberAbsent] = min(2, Double(match.claim.quantities.count))
        self[.nameAbsent] = min(3, Double(match.claim.words.count { $0.isName && !$0.token.isNumber }))
    }

    /// - Parameters:
    ///   - field: what a table of the documents says to it.
    ///   - read: bits of words that tables bear out.
    init(_ match: ClaimMatch, _ window: EvidenceWindow, in index: EvidenceIndex, _ field: TableFinding?, read: UInt64) {
        let claim = match.claim
        let total = max(1e-9, claim.totalWeight)
        let alignment = Alignment(match, window.sentences, in: index)
        let finder = MismatchFinder(match: match, alignment: alignment, index: index)

        var here: UInt64 = 0
        var hereAkin: UInt64 = 0
        for place in claim.tokens.indices where claim.wordOf[place] >= 0 && alignment.partner[place] >= 0 {
            let bit = UInt64(1) << UInt64(claim.wordOf[place])
            if alignment.wordAt[alignment.partner[place]] == claim.wordOf[place] { here |= bit } else { hereAkin |= bit }
        }
        // What the passage says in another unit or scale, or within the claim's bounds, is said.
        let text = index.texts[index.sentences[window.sentences.lowerBound].document]
        let others = claim.quantities.isEmpty ? [] : Quantities.all(in: text, Array(index.tokens[alignment.window]))
        var read = read
        for quantity in claim.quantities {
            if others.contains(where: { quantity.admits($0) }) {
                read |= claim.words(of: quantity)
            } else {
                // The same digits in another unit do not hold it.
                here &= ~claim.digits(of: quantity)
            }
        }
        // What the title says holds for the whole document, and a name that it leaves out is not missing.
        let leftOut = LeftOutNames.words(of: match, window, in: index)
        let titled = match.titles[index.sentences[window.sentences.lowerBound].document] | leftOut
        here |= read
        let covered = match.score(exact: here | titled, akin: hereAkin)
        let coveredAnywhere = match.score(exact: match.exact | read | leftOut, akin: match.akin)
        // Whether the passage speaks of the same thing, a name that it leaves out cannot say.
        let held = covered - claim.weight(of: leftOut & ~here)
        coverage = held / total
        // Numbers tell what is contradicted, not what is spoken of.
        let numbers = claim.words.indices.reduce(into: UInt64(0)) { if claim.words[$1].token.isNumber { $0 |= 1 << UInt64($1) } } & ~(here | titled)
        coverageOfRest = min(1, held / max(1e-9, total - claim.weight(of: numbers)))
        self[.documentCoverage] = coveredAnywhere / total
        self[.amount] = log1p(coveredAnywhere)
        self[.missing] = log1p(total - coveredAnywhere)
        self[.missingHere] = log1p(total - covered)

        // All words, the common ones too, as they stand.
        var stopsMissing = (absolutes: 0.0, comparatives: 0.0, firstPerson: 0.0)
        var exactForms = 0
        var partners = 0
        for (place, token) in claim.tokens.enumerated() {
            let isHere = token.isStop ? alignment.stops.contains(token.stopNumber) : alignment.partner[place] >= 0
            if !token.isStop, alignment.partner[place] >= 0 {
                partners += 1
                if index.tokens[alignment.window.lowerBound + alignment.partner[place]].exact == token.exact { exactForms += 1 }
            }
            guard !isHere else { continue }
            if Self.absolutes.contains(token.stopNumber) || Self.absoluteForms.contains(token.exact) { stopsMissing.absolutes += 1 }
            if Self.comparatives.contains(token.stopNumber) || Self.comparativeForms.contains(token.exact) { stopsMissing.comparatives += 1 }
            if Self.firstPerson.contains(token.stopNumber) { stopsMissing.firstPerson += 1 }
        }
        var plain = (covered: 0.0, total: 0.0)
        var tail = (covered: 0.0, total: 0.0)
        var end = (covered: 0.0, total: 0.0)
        for (number, word) in claim.words.enumerated() {
            let bit = UInt64(1) << UInt64(number)
            let covered = (here | titled) & bit != 0 ? 1 : hereAkin & bit != 0 ? ClaimMatch.akinCredit : 0
            let position = word.weight * (0.2 + Double(word.place) / Double(max(1, claim.tokens.count)))
            tail = (tail.covered + position * covered, tail.total + position)
            let steep = word.weight * position * position
            end = (end.covered + steep * covered, end.total + steep)
            if !word.isName, !word.token.isNumber { plain = (plain.covered + word.weight * covered, plain.total + word.weight) }
        }
        self[.plainCoverage] = plain.total > 0 ? plain.covered / plain.total : covered / total
        self[.tailCoverage] = tail.total > 0 ? tail.covered / tail.total : 0
        self[.endCoverage] = end.total > 0 ? end.covered / end.total : 0
        self[.stemCoverage] = claim.weight(of: match.exact) / total
        self[.formCoverage] = Double(claim.tokens.count { index.holds($0) }) / Double(max(1, claim.tokens.count))
        self[.exactness] = partners == 0 ? 0 : Double(exactForms) / Double(partners)
        self[.absolutes] = min(2, stopsMissing.absolutes)
        self[.comparatives] = min(2, stopsMissing.comparatives)
        self[.firstPerson] = min(2, stopsMissing.firstPerson)

        sequences(claim, alignment)
        binding(match, index)
        holes(claim, titled | read, alignment)

        if let field {
            self[field.agrees ? .fieldAgrees : .fieldDiffers] = 1
            if !field.agrees { mismatches.append(Mismatch(kind: .fieldReplaced, said: field.said, found: field.found, strength: 1, place: field.place)) }
        }
        let quantities = claim.quantities.filter { claim.wordOf[$0.token] < 0 || read >> UInt64(claim.wordOf[$0.token]) & 1 == 0 }
        if !quantities.isEmpty {
            let numbers = finder.numbers(quantities, in: others, text: text)
            self[.numberReplaced] = min(2, numbers.replaced)
            self[.numberAbsent] = min(2, numbers.absent)
            self[.numberElsewhere] = min(2, numbers.elsewhere)
            mismatches += numbers.mismatches
        }
        guard claim.readsAsEnglish else { return }
        let names = finder.names()
        self[.nameReplaced] = min(2, names.replaced)
        self[.nameAbsent] = min(3, names.absent)
        mismatches += names.mismatches
        if let negation = finder.negation() {
            self[.negation] = negation.strength
            mismatches.append(negation)
        }
        if let opposite = finder.opposite() {
            self[.opposite] = opposite.strength
            mismatches.append(opposite)
        }
        let deviations = finder.deviations()
        self[.wordDenied] = deviations.denied
        self[.wordReplaced] = deviations.replaced
        self[.wordInserted] = deviations.inserted
        self[.wordNameReplaced] = deviations.nameReplaced
        mismatches += deviations.mismatches
        if let swap = finder.swap() {
            self[.wordNameReplaced] = max(self[.wordNameReplaced], swap.strength)
            // Three words that repeat are chance too often to speak of a contradiction.
            mismatches.append(Mismatch(kind: swap.kind, said: swap.said, found: swap.found, strength: swap.strength * 0.75))
        }
        if let sibling = finder.sibling() {
            self[.sibling] = sibling.strength
            mismatches.append(sibling)
        }
        let denials = claim.tokens.count { MismatchFinder.denials.contains($0.exact) }
        if denials > 0, !alignment.window.contains(where: { MismatchFinder.denials.contains(index.tokens[$0].exact) }) { self[.negationExcess] = 1 }
    }

    /// Neighbours in the claim that are neighbours in the passage, and partners in the order of the claim.
    private mutating func sequences(_ claim: ClaimText, _ alignment: Alignment) {
        var adjacent = 0
        var ordered = 0
        var steps = 0
        var last = -1
        for place in claim.tokens.indices {
            let partner = alignment.partner[place]
            if place > 0, partner >= 0, alignment.partner[place - 1] >= 0, partner == alignment.partner[place - 1] + 1 { adjacent += 1 }
            guard claim.wordOf[place] >= 0 else { continue }
            steps += 1
            if partner > last { ordered += 1 }
            if partner >= 0 { last = partner }
        }
        self[.bigrams] = Double(adjacent) / Double(max(1, claim.tokens.count - 1))
        self[.order] = Double(ordered) / Double(max(1, steps))
    }

    /// Whether a word's neighbours in the claim also stand near it somewhere in the documents.
    private mutating func binding(_ match: ClaimMatch, _ index: EvidenceIndex) {
        let claim = match.claim
        let reach = 7
        var best = [Double](repeating: -1, count: claim.words.count)
        // Bits of the neighbours that were nearest so far: a place with no others says nothing new.
        var seen = [UInt64](repeating: 0, count: claim.words.count)
        let present = match.exact | match.akin
        let hits = match.hits
        var low = 0
        var high = 0
        // The places of the document at hand.
        var document = 0..<0
        for (number, hit) in hits.enumerated() {
            if hit.place >= document.upperBound { document = index.tokens(ofDocumentAt: hit.place) }
            let first = max(hit.place - reach, document.lowerBound)
            let last = min(hit.place + reach, document.upperBound - 1)
            while hits[low].place < first { low += 1 }
            while high < hits.count, hits[high].place <= last { high += 1 }
            let word = hit.word
            let wanted = claim.neighbours[word] & present
            guard wanted != 0, seen[word] != wanted else { continue }
            var near: UInt64 = 0
            for other in low..<high where other != number { near |= 1 << UInt64(hits[other].word) }
            near &= wanted
            guard best[word] < 0 || near & ~seen[word] != 0 else { continue }
            let bound = claim.weight(of: near) / max(1e-9, claim.weight(of: wanted))
            guard bound > best[word] else { continue }
            best[word] = bound
            seen[word] = near
        }
        var sum = 0.0
        var weight = 0.0
        for (number, word) in claim.words.enumerated() {
            if best[number] >= 0 { sum += word.weight * best[number] }
            weight += word.weight
            guard best[number] >= 0 else { continue }
            let unbound = 1 - best[number]
            self[.unbound] = max(self[.unbound], unbound)
            if word.isName || word.token.isNumber { self[.nameUnbound] = max(self[.nameUnbound], unbound) }
        }
        self[.pairs] = weight > 0 ? sum / weight : 0
    }

    /// Words of the claim that neither the passage nor the title holds: the largest, and the longest run.
    private mutating func holes(_ claim: ClaimText, _ titled: UInt64, _ alignment: Alignment) {
        var run = 0.0
        for place in claim.tokens.indices where claim.wordOf[place] >= 0 {
            guard alignment.partner[place] < 0, titled >> UInt64(claim.wordOf[place]) & 1 == 0 else {
                run = 0
                continue
            }
            let weight = claim.words[Int(claim.wordOf[place])].weight
            run += weight
            self[.run] = max(self[.run], run)
            self[.largestHole] = max(self[.largestHole], weight)
        }
        self[.run] = log1p(self[.run])
    }
}
