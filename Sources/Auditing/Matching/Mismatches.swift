// What of a claim does not fit the passage that speaks most of it: numbers, dates and names that are absent or another there,
// denials on one side only, opposites, words put in the place of others.

/// Something in a claim that its evidence does not bear out.
struct Mismatch {
    enum Kind { case fieldReplaced, numberReplaced, numberAbsent, nameReplaced, nameAbsent, negation, opposite, sibling }

    var kind: Kind
    /// As the answer says it.
    var said: String
    /// As the document says it; empty if it says nothing of the kind.
    var found: String
    /// How sure the comparison is, 0…1: how well the words around fit.
    var strength: Double
    /// Where a table says so, as `field 'Born'`.
    var place = ""

    /// What a person should read first.
    var rank: Int {
        switch kind {
        case .fieldReplaced: -1
        case .numberReplaced: 0
        case .nameReplaced: 1
        case .negation, .opposite: 2
        case .numberAbsent: 3
        case .nameAbsent: 4
        case .sibling: 5
        }
    }
}

/// Compares one claim with one passage that it is lined up with.
struct MismatchFinder {
    /// Words of a claim for which the passage is searched for another kind of the same thing; a claim that lacks more is not supported anyway.
    private static let missingLimit = 12
    private static let unitStrength = 0.45
    /// How far a denial reaches, in words.
    private static let negationReach = 4

    let match: ClaimMatch
    let alignment: Alignment
    let index: EvidenceIndex
    private var claim: ClaimText { match.claim }
    private var tokens: [Token] { claim.tokens }

    private func token(at place: Int) -> Token { index.tokens[alignment.window.lowerBound + place] }

    /// A capitalised word that does not begin its sentence.
    private func isName(at place: Int) -> Bool {
        let number = alignment.window.lowerBound + place
        let token = index.tokens[number]
        guard token.isCapitalised, !token.isStop, !Quantities.isMonth(token), token.range.count > 1 else { return false }
        return number > index.sentences[Int(index.sentenceOf[number])].tokens.lowerBound
    }

    private func isSameSentence(_ one: Int, _ other: Int) -> Bool {
        index.sentenceOf[alignment.window.lowerBound + one] == index.sentenceOf[alignment.window.lowerBound + other]
    }

    func isStop(at place: Int) -> Bool { token(at: place).isStop }

    private func text(at place: Int) -> String {
        let number = alignment.window.lowerBound + place
        let document = index.sentences[Int(index.sentenceOf[number])].document
        return index.texts[document].text(index.tokens[number].range)
    }

    // MARK: Numbers

    struct NumberFindings {
        var replaced = 0.0
        var absent = 0.0
        var elsewhere = 0.0
        var mismatches: [Mismatch] = []
    }

    func numbers(_ quantities: [Quantity], in window: [Quantity], text: [UInt8]) -> NumberFindings {
        var findings = NumberFindings()
        let free = window.filter { other in !quantities.contains { $0.admits(other) } }
        for quantity in quantities where !window.contains(where: { quantity.admits($0) }) {
            let rivals = free.filter { $0.isComparable(to: quantity) }
            let said = claim.bytes.text(quantity.shown)
            // The same digits in another scale or unit are another number.
            let stem = tokens.indices.contains(quantity.token) ? tokens[quantity.token].stem : 0
            let isAnywhere = index.word(stem) != nil && !rivals.contains { index.tokens[alignment.window.lowerBound + $0.token].stem == stem }
            // Of one unit is nearly as good as among the same words.
            let best = rivals.map { rival in
                let isOfUnit = rival.kind == .plain || rival.kind == .money("€") || rival.kind == .money("$") || rival.kind == .money("£")
                return (rival: rival, strength: max(isOfUnit ? Self.unitStrength : 0, fit(of: quantity.token, at: rival.token)))
            }.max { $0.strength < $1.strength }
            // Elsewhere a comma may be a decimal point: numbers that are written with either cannot be told to differ.
            let isPlain = claim.readsAsEnglish || ![said, best.map { text.text($0.rival.shown) } ?? ""].contains { $0.contains { $0 == "," || $0 == "." } }
            if let best, !isAnywhere, isPlain {
                findings.replaced += 1
                findings.mismatches.append(Mismatch(kind: .numberReplaced, said: said, found: text.text(best.rival.shown), strength: best.strength))
            } else {
                findings.mismatches.append(Mismatch(kind: .numberAbsent, said: said, found: "", strength: 1))
            }
            if isAnywhere { findings.elsewhere += 1 } else { findings.absent += 1 }
        }
        return findings
    }

    // MARK: Names

    struct NameFindings {
        var replaced = 0.0
        var absent = 0.0
        var unbound = 0.0
        var mismatches: [Mismatch] = []
    }

    func names() -> NameFindings {
        var findings = NameFindings()
        for (number, word) in claim.words.enumerated() where word.isName && !word.token.isNumber {
            let bit = UInt64(1) << UInt64(number)
            let isHere = alignment.partner[word.place] >= 0
            if (match.exact | match.akin) & bit == 0 {
                findings.absent += 1
                if let rival = slot(around: word.place).first(where: { isName(at: $0) }) {
                    findings.replaced = max(findings.replaced, 1)
                    findings.mismatches.append(Mismatch(kind: .nameReplaced, said: claim.bytes.text(word.token.range), found: text(at: rival), strength: 1))
                } else {
                    findings.mismatches.append(Mismatch(kind: .nameAbsent, said: claim.bytes.text(word.token.range), found: "", strength: 1))
                }
            } else if !isHere, let rival = slot(around: word.place).first(where: { isName(at: $0) }) {
                findings.replaced = max(findings.replaced, 1)
                findings.mismatches.append(Mismatch(kind: .nameReplaced, said: claim.bytes.text(word.token.range), found: text(at: rival), strength: 0.8))
            }
        }
        return findings
    }

    /// The passage's words that stand where a word of the claim would have to stand, between the partners of its neighbours.
    func slot(around place: Int) -> [Int] {
        guard let left = partner(before: place), let right = partner(after: place), right > left + 1, right - left <= 7 else { return [] }
        return ((left + 1)..<right).filter { !alignment.isPartner[$0] }
    }

    private func partner(before place: Int) -> Int? {
        for other in stride(from: place - 1, through: max(0, place - 3), by: -1) where other >= 0 && alignment.partner[other] >= 0 { return alignment.partner[other] }
        return nil
    }

    private func partner(after place: Int) -> Int? {
        for other in span(place + 1, min(tokens.count, place + 4)) where alignment.partner[other] >= 0 { return alignment.partner[other] }
        return nil
    }

    // MARK: Denials

    static let denials = Tokenizer.forms(
        """
        not never no none neither nor without cannot can't don't doesn't didn't isn't aren't wasn't weren't won't wouldn't couldn't shouldn't hasn't haven't hadn't n't
        hardly barely scarcely nobody nothing nowhere fail fails failed failing unable lack lacks lacked lacking zero refuse refuses refused deny denies denied
        """)

    /// Words that answer a denial beside them, and are none of their own.
    private static let prohibitions = Tokenizer.forms("non exempt prohibit prohibits prohibited forbid forbids forbidden ban bans banned impossible")
    /// Words with which a sentence says one thing of most and another of the rest: it neither denies nor says of both.
    private static let exceptions = Tokenizer.forms("except excepting exclude excludes excluding excluded unless")
    /// `not exceed`, `not more than`: bounds of a number.
    private static let bounds = Tokenizer.forms("exceed exceeds exceeding more less fewer later earlier longer only")

    /// A denial in the claim at whose words the passage denies nothing, or the other way round; how well the words around fit.
    func negation() -> Mismatch? {
        var best: Mismatch?
        func consider(_ strength: Double, _ said: String, _ found: String) {
            if strength > best?.strength ?? 0.2 { best = Mismatch(kind: .negation, said: said, found: found, strength: strength) }
        }
        for place in tokens.indices where Self.denials.contains(tokens[place].exact) {
            // The next words that tell something are what is denied.
            guard let denied = deniedPlace(after: place) else { continue }
            let other = alignment.partner[denied]
            guard other >= 0, !isDenied(inWindow: other), !makesException(at: other) else { continue }
            consider(fit(at: denied), claim.bytes.text(tokens[place].range), "")
        }
        for other in 0..<alignment.window.count where Self.denials.contains(token(at: other).exact) && !alignment.isPartner[other] {
            guard other + 1 >= alignment.window.count || !Self.bounds.contains(token(at: other + 1).exact) else { continue }
            guard let denied = deniedPlace(inWindowAfter: other) else { continue }
            guard let place = tokens.indices.first(where: { alignment.partner[$0] == denied }), !isDenied(inClaim: place), !makesException(at: other) else { continue }
            consider(fit(at: place), "", text(at: other))
        }
        return best
    }

    private func deniedPlace(after place: Int) -> Int? {
        for next in span(place + 1, min(tokens.count, place + 1 + Self.negationReach)) {
            guard !endsScope(claim.bytes, tokens[next - 1].range.upperBound, tokens[next].range.lowerBound) else { return nil }
            if claim.wordOf[next] >= 0, alignment.partner[next] >= 0 { return next }
        }
        return nil
    }

    private func deniedPlace(inWindowAfter other: Int) -> Int? {
        let document = index.sentences[Int(index.sentenceOf[alignment.window.lowerBound + other])].document
        for next in span(other + 1, min(alignment.window.count, other + 1 + Self.negationReach)) {
            guard !endsScope(index.texts[document], token(at: next - 1).range.upperBound, token(at: next).range.lowerBound) else { return nil }
            if alignment.isPartner[next], !token(at: next).isStop { return next }
        }
        return nil
    }

    /// A sign between two words that a denial does not reach across.
    private func endsScope(_ bytes: [UInt8], _ start: Int, _ end: Int) -> Bool {
        bytes[span(start, end).clamped(to: 0..<bytes.count)].contains { ASCII.is($0, oneOf: ",.;:!?()") }
    }

    private func isDenied(inWindow other: Int) -> Bool {
        span(max(0, other - Self.negationReach - 1), min(alignment.window.count, other + 3)).contains { Self.denies(token(at: $0)) }
    }

    private func isDenied(inClaim place: Int) -> Bool {
        span(max(0, place - Self.negationReach - 1), min(tokens.count, place + 3)).contains { Self.denies(tokens[$0]) }
    }

    private func makesException(at other: Int) -> Bool {
        index.sentences[Int(index.sentenceOf[alignment.window.lowerBound + other])].tokens.contains { Self.exceptions.contains(index.tokens[$0].exact) }
    }

    private static func denies(_ token: Token) -> Bool { denials.contains(token.exact) || prohibitions.contains(token.exact) }

    /// How many of a word's neighbours stand near its partner, 0…1.
    func fit(at place: Int) -> Double { fit(of: place, at: alignment.partner[place]) }

    /// How many of a word's neighbours stand near a place of the passage, 0…1.
    func fit(of place: Int, at other: Int) -> Double {
        guard tokens.indices.contains(place), alignment.near.indices.contains(other), claim.wordOf[place] >= 0 else { return 0 }
        let neighbours = claim.neighbours[Int(claim.wordOf[place])]
        guard neighbours != 0 else { return 0.5 }
        return claim.weight(of: neighbours & alignment.near[other]) / max(1e-9, claim.weight(of: neighbours))
    }

    // MARK: Word for word

    /// Where the claim repeats the passage word for word but for a few words.
    struct Deviations {
        var denied = 0.0
        var nameReplaced = 0.0
        var replaced = 0.0
        var inserted = 0.0
        var mismatches: [Mismatch] = []
    }

    func deviations() -> Deviations {
        var result = Deviations()
        let partner = alignment.partner
        for left in tokens.indices.dropLast() where partner[left] >= 0 {
            for gap in 0...3 {
                let right = left + gap + 1
                guard right < tokens.count, partner[right] > partner[left], isSameSentence(partner[left], partner[right]) else { continue }
                let other = partner[right] - partner[left] - 1
                guard other <= 4, gap > 0 || other > 0 else {
                    if gap == 0, other == 0 { break }
                    continue
                }
                // A shorter gap said it already.
                if gap > 0, ((left + 1)..<right).contains(where: { partner[$0] > partner[left] && partner[$0] < partner[right] }) { break }
                let strength = Double(min(4, run(endingAt: left)) + min(4, run(startingAt: right))) / 8
                compare(span(left + 1, right), span(partner[left] + 1, partner[right]), strength, &result)
                break
            }
        }
        return result
    }

    private func compare(_ mine: Range<Int>, _ theirs: Range<Int>, _ strength: Double, _ result: inout Deviations) {
        // Words that no document holds, in the place of others or between those that are repeated.
        if mine.contains(where: { claim.wordOf[$0] >= 0 && (match.exact | match.akin) >> UInt64(claim.wordOf[$0]) & 1 == 0 }) {
            if theirs.contains(where: { !token(at: $0).isStop && !alignment.isPartner[$0] }) {
                result.replaced = max(result.replaced, strength)
            } else {
                result.inserted = max(result.inserted, strength)
            }
        }
        if mine.isEmpty {
            if let place = theirs.first(where: { Self.denials.contains(token(at: $0).exact) }) {
                result.denied = max(result.denied, strength)
                if !makesException(at: place) { result.mismatches.append(Mismatch(kind: .negation, said: "", found: text(at: place), strength: strength)) }
            }
            return
        }
        let denies = mine.first { Self.denials.contains(tokens[$0].exact) }
        let deniesThere = theirs.contains { Self.denials.contains(token(at: $0).exact) }
        if let denies, !deniesThere {
            result.denied = max(result.denied, strength)
            // The passage's word before the gap is in the same sentence.
            if !makesException(at: theirs.lowerBound - 1) {
                result.mismatches.append(Mismatch(kind: .negation, said: claim.bytes.text(tokens[denies].range), found: "", strength: strength))
            }
            return
        }
        guard !theirs.isEmpty else { return }
        // Words that mean nearly the same are no deviation.
        let rest = mine.filter { place in
            !theirs.contains { other in
                tokens[place].stem == token(at: other).stem || (claim.wordOf[place] >= 0 && claim.related[claim.words[Int(claim.wordOf[place])].akin].contains(index.wordAt[alignment.window.lowerBound + other]))
            }
        }
        guard let first = rest.first(where: { !tokens[$0].isStop }) ?? rest.first else { return }
        let said = claim.bytes.text(tokens[first].range)
        let found = text(at: theirs.first { !isStop(at: $0) } ?? theirs.lowerBound)
        let isName = rest.allSatisfy { tokens[$0].isStop || tokens[$0].isCapitalised } && !tokens[first].isStop && theirs.contains { self.isName(at: $0) }
        guard isName else { return }
        result.nameReplaced = max(result.nameReplaced, strength)
        result.mismatches.append(Mismatch(kind: .nameReplaced, said: said, found: found, strength: strength))
    }

    // MARK: Swaps

    /// A name at the end of words that the passage repeats one by one and ends with another name (`led by Dr. Reyes`, `led by Dr.
    /// Lindqvist`), or before such words. The name may well stand elsewhere in the passage: that is what a swap looks like.
    func swap() -> Mismatch? {
        var best: Mismatch?
        func consider(_ place: Int, _ other: Int, _ run: Int) {
            let strength = Double(min(4, run)) / 4
            guard strength > best?.strength ?? 0 else { return }
            best = Mismatch(kind: .nameReplaced, said: claim.bytes.text(tokens[place].range), found: text(at: other), strength: strength)
        }
        for place in tokens.indices where tokens[place].isCapitalised && claim.wordOf[place] >= 0 && !tokens[place].isNumber && !claim.isUnit(place) {
            guard place > 0 || !isCommon(claim.words[Int(claim.wordOf[place])].lexicon) else { continue }
            if place > 0, !isPartOfName(place - 1), alignment.partner[place - 1] >= 0 {
                var (mine, other) = (place, alignment.partner[place - 1] + 1)
                while mine < tokens.count, other < alignment.window.count, isPartOfName(mine), tokens[mine].stem == token(at: other).stem { (mine, other) = (mine + 1, other + 1) }
                if mine < tokens.count, isPartOfName(mine), isRival(mine, other, beside: alignment.partner[place - 1]) {
                    let run = run(endingAt: place - 1)
                    if !isRepeated(mine, words: run + mine - place, step: -1) { consider(mine, other, run) }
                }
            }
            if place + 1 < tokens.count, !isPartOfName(place + 1), alignment.partner[place + 1] > 0 {
                var (mine, other) = (place, alignment.partner[place + 1] - 1)
                while mine >= 0, other >= 0, isPartOfName(mine), tokens[mine].stem == token(at: other).stem { (mine, other) = (mine - 1, other - 1) }
                if mine >= 0, isPartOfName(mine), isRival(mine, other, beside: alignment.partner[place + 1]) {
                    let run = run(startingAt: place + 1)
                    if !isRepeated(mine, words: run + place - mine, step: 1) { consider(mine, other, run) }
                }
            }
        }
        return best
    }

    private func isPartOfName(_ place: Int) -> Bool { tokens[place].isCapitalised && !tokens[place].isStop && !tokens[place].isNumber && !claim.isUnit(place) }

    /// Whether the passage has a name at a place where the claim has another, of which its documents know.
    private func isRival(_ place: Int, _ other: Int, beside anchor: Int) -> Bool {
        guard (0..<alignment.window.count).contains(other), isSameSentence(other, anchor), !alignment.isPartner[other] else { return false }
        let rival = token(at: other)
        guard rival.isCapitalised, !rival.isStop, !rival.isNumber, rival.range.count > 1, !Quantities.isMonth(rival), rival.stem != tokens[place].stem else { return false }
        let number = alignment.window.lowerBound + other
        let sentence = index.sentences[Int(index.sentenceOf[number])].tokens
        guard !isApposition(to: alignment.partner[place], at: other) else { return false }
        guard number > sentence.lowerBound || !isCommon(index.lexiconWord(index.wordAt[number])) else { return false }
        // Another part of the same name.
        var end = number
        while end < sentence.upperBound, index.tokens[end].isCapitalised {
            if index.tokens[end].stem == tokens[place].stem { return false }
            end += 1
        }
        var start = number
        while start > sentence.lowerBound, index.tokens[start - 1].isCapitalised {
            start -= 1
            if index.tokens[start].stem == tokens[place].stem { return false }
        }
        // `Marie Curie` is `Maria Skłodowska-Curie`.
        if start < number, isForm(tokens[place].range, of: index.tokens[start].range, index.sentences[Int(index.sentenceOf[number])].document) { return false }
        let word = claim.words[Int(claim.wordOf[place])]
        let document = index.texts[index.sentences[Int(index.sentenceOf[number])].document]
        guard !Self.contains(claim.bytes, tokens[place].range, document, rival.range) else { return false }
        return word.token.range.count > 1 && !claim.related[word.akin].contains(index.wordAt[alignment.window.lowerBound + other])
    }

    /// `Croydon, south London,`: what stands between commas after a name says more of it, and is not in its place.
    private func isApposition(to partner: Int, at other: Int) -> Bool {
        guard partner >= 0, (1...2).contains(other - partner), isSameSentence(partner, other), isName(at: partner) || token(at: partner).isCapitalised else { return false }
        let bytes = index.texts[index.sentences[Int(index.sentenceOf[alignment.window.lowerBound + other])].document]
        let end = token(at: other).range.upperBound
        return bytes[span(token(at: partner).range.upperBound, token(at: partner + 1).range.lowerBound)].first == UInt8(ascii: ",") && end < bytes.count && bytes[end] == UInt8(ascii: ",")
    }

    /// Whether two first names are forms of one: four letters at their beginning are the same, and their lengths nearly.
    private func isForm(_ mine: Range<Int>, of theirs: Range<Int>, _ document: Int) -> Bool {
        guard mine.count >= 4, theirs.count >= 4, abs(mine.count - theirs.count) <= 2 else { return false }
        return claim.bytes[mine].prefix(4).elementsEqual(index.texts[document][theirs].prefix(4))
    }

    /// Whether one word is the beginning or the end of the other: `TiO` and `TiO2`, or two words that lost the space between them.
    private static func contains(_ one: [UInt8], _ mine: Range<Int>, _ other: [UInt8], _ theirs: Range<Int>) -> Bool {
        let count = min(mine.count, theirs.count)
        guard count > 2 else { return false }
        return one[mine].prefix(count).elementsEqual(other[theirs].prefix(count)) || one[mine].suffix(count).elementsEqual(other[theirs].suffix(count))
    }

    /// A word of running text, whose capital says no more than that it begins its sentence.
    private func isCommon(_ word: LexiconWord?) -> Bool { (word?.commonness ?? 0) > 0 }

    /// Whether the documents hold a name beside the same words as the claim, somewhere.
    private func isRepeated(_ place: Int, words: Int, step: Int) -> Bool {
        let word = Int(claim.wordOf[place])
        return match.hits.contains { hit in
            guard hit.word == word, hit.isExact else { return false }
            return (1...max(1, words)).allSatisfy { distance in
                let (mine, other) = (place + distance * step, hit.place + distance * step)
                return tokens.indices.contains(mine) && index.tokens.indices.contains(other) && tokens[mine].stem == index.tokens[other].stem
            }
        }
    }

    /// How many words up to a place are partners of neighbours.
    private func run(endingAt place: Int) -> Int {
        var start = place
        while start > 0, place - start < 4, alignment.partner[start - 1] >= 0, alignment.partner[start - 1] == alignment.partner[start] - 1 { start -= 1 }
        return place - start + 1
    }

    private func run(startingAt place: Int) -> Int {
        var end = place
        while end + 1 < tokens.count, end - place < 4, alignment.partner[end + 1] == alignment.partner[end] + 1 { end += 1 }
        return end - place + 1
    }

    // MARK: Siblings

    /// A word of the claim in whose place the passage has another kind of the same thing.
    func sibling() -> Mismatch? {
        var best: Mismatch?
        var left = Self.missingLimit
        for (number, word) in claim.words.enumerated() where alignment.partner[word.place] < 0 && !word.token.isNumber {
            left -= 1
            guard left >= 0 else { break }
            guard let lexicon = word.lexicon else { continue }
            let broader = Broader(of: lexicon)
            guard !broader.words.isEmpty else { continue }
            let neighbours = claim.neighbours[number]
            let total = claim.weight(of: neighbours)
            for place in 0..<alignment.window.count where !alignment.isPartner[place] {
                let token = token(at: place)
                guard !token.isStop, !token.isNumber else { continue }
                let shared = neighbours & alignment.near[place]
                guard shared != 0 || total <= 0, let other = index.lexiconWord(index.wordAt[alignment.window.lowerBound + place]) else { continue }
                let strength = total > 0 ? claim.weight(of: shared) / total : 0.5
                guard strength > best?.strength ?? 0, other.isSibling(of: lexicon, broader: broader) else { continue }
                best = Mismatch(kind: .sibling, said: claim.bytes.text(word.token.range), found: text(at: place), strength: strength)
            }
        }
        return best
    }

    // MARK: Opposites

    func opposite() -> Mismatch? {
        var best: Mismatch?
        for (number, word) in claim.words.enumerated() where !word.token.isNumber {
            guard alignment.partner[word.place] < 0 || !alignment.wordAt.contains(Int8(truncatingIfNeeded: number)) else { continue }
            var opposites = Array(claim.related[word.opposites])
            if !word.isName { Opposites.forEachWord(for: word.token, claim.bytes, index) { opposites.append($0) } }
            guard !opposites.isEmpty else { continue }
            let neighbours = claim.neighbours[number]
            let total = claim.weight(of: neighbours)
            for place in 0..<alignment.window.count {
                guard opposites.contains(index.wordAt[alignment.window.lowerBound + place]) else { continue }
                let strength = total > 0 ? claim.weight(of: neighbours & alignment.near[place]) / total : 0.5
                if strength > best?.strength ?? 0 {
                    best = Mismatch(kind: .opposite, said: claim.bytes.text(word.token.range), found: text(at: place), strength: strength)
                }
            }
        }
        return best
    }
}
