// Where the documents speak of a claim: the places of its words, the passages that hold most of them, and how the words of the
// claim line up with those of a passage.

import Glibc

/// A place in the documents where a word of the claim stands; in the order of places, then of words.
struct Hit: Comparable {
    private let key: UInt64

    init(place: Int, word: Int, isExact: Bool) { key = UInt64(UInt32(truncatingIfNeeded: place)) << 16 | UInt64(UInt8(truncatingIfNeeded: word)) << 8 | (isExact ? 0 : 1) }

    var place: Int { Int(key >> 16) }
    var word: Int { Int(key >> 8 & 0xFF) }
    /// The same word, not one that means nearly the same.
    var isExact: Bool { key & 1 == 0 }

    static func < (one: Hit, other: Hit) -> Bool { one.key < other.key }
}

/// A passage of neighbouring sentences, with bits of the claim's words that stand in it.
struct EvidenceWindow {
    var sentences: Range<Int>
    var exact: UInt64
    var akin: UInt64
    var score: Double
}

/// What the documents hold of a claim.
struct ClaimMatch {
    /// Places of one word, and of all, that are looked at; more say nothing new.
    private static let placeLimit = 200
    private static let hitLimit = 4000
    /// A passage is a few sentences, more if they are short.
    private static let windowSentences = 8
    private static let windowTokens = 90
    /// How much a word that means nearly the same counts.
    static let akinCredit = 0.7

    let claim: ClaimText
    private(set) var hits: [Hit] = []
    private(set) var exact: UInt64 = 0
    private(set) var akin: UInt64 = 0
    /// Bits of the words in the title of each document.
    private(set) var titles: [UInt64]
    /// The passages that hold most, the best first.
    private(set) var windows: [EvidenceWindow] = []
    /// In index entries.
    private(set) var work = 0

    init(_ claim: ClaimText, in index: EvidenceIndex, windowLimit: Int) {
        self.claim = claim
        titles = [UInt64](repeating: 0, count: index.texts.count)
        let limit = min(Self.placeLimit, Self.hitLimit / 2 / max(1, claim.words.count))
        for (number, word) in claim.words.enumerated() {
            guard let own = word.own else { continue }
            exact |= 1 << UInt64(number)
            collect(own, number, true, index, limit)
        }
        for (number, word) in claim.words.enumerated() {
            for other in word.akin {
                akin |= 1 << UInt64(number)
                collect(claim.related[other], number, false, index, min(limit, Self.hitLimit - hits.count))
            }
        }
        hits.sort()
        work = hits.count * 8 + claim.tokens.count * 8
        findWindows(index, limit: windowLimit)
    }

    private mutating func collect(_ word: Int32, _ number: Int, _ isExact: Bool, _ index: EvidenceIndex, _ limit: Int) {
        index.forEachPlace(of: word, limit: limit) { hits.append(Hit(place: $0, word: number, isExact: isExact)) }
    }

    func score(exact: UInt64, akin: UInt64) -> Double { claim.weight(of: exact) + Self.akinCredit * claim.weight(of: akin & ~exact) }

    /// How much of the claim some documents hold, 0…1.
    func share(in documents: Set<Int>, of places: [Int], _ index: EvidenceIndex) -> Double {
        var held = (exact: UInt64(0), akin: UInt64(0))
        for hit in hits where documents.contains(places[index.sentences[Int(index.sentenceOf[hit.place])].document]) {
            if hit.isExact { held.exact |= 1 << UInt64(hit.word) } else { held.akin |= 1 << UInt64(hit.word) }
        }
        return score(exact: held.exact, akin: held.akin) / max(1e-9, claim.totalWeight)
    }

    private mutating func findWindows(_ index: EvidenceIndex, limit: Int) {
        struct Group {
            var sentence: Int
            var exact: UInt64
            var akin: UInt64
        }
        var groups: [Group] = []
        for hit in hits {
            let sentence = Int(index.sentenceOf[hit.place])
            if groups.last?.sentence != sentence { groups.append(Group(sentence: sentence, exact: 0, akin: 0)) }
            let bit = UInt64(1) << UInt64(hit.word)
            if hit.isExact { groups[groups.count - 1].exact |= bit } else { groups[groups.count - 1].akin |= bit }
        }
        for group in groups {
            let document = index.sentences[group.sentence].document
            if index.titles[document] == group.sentence { titles[document] = group.exact }
        }
        for first in groups.indices {
            var window = EvidenceWindow(sentences: 0..<0, exact: 0, akin: 0, score: 0)
            let start = groups[first].sentence
            window.exact = titles[index.sentences[start].document]
            for last in first..<min(groups.count, first + Self.windowSentences) {
                let group = groups[last]
                guard group.sentence < start + Self.windowSentences, index.sentences[group.sentence].document == index.sentences[start].document else { break }
                let tokens = index.sentences[group.sentence].tokens.upperBound - index.sentences[start].tokens.lowerBound
                guard last == first || tokens <= Self.windowTokens || group.sentence < start + 3 else { break }
                let exact = window.exact | group.exact
                let akin = window.akin | group.akin
                // Each further sentence must bring something of its own.
                if last > first, exact == window.exact, akin == window.akin { continue }
                let length = group.sentence - start + 1
                let score = score(exact: exact, akin: akin) * (1 - 0.03 * min(Double(length - 1), Double(tokens) / 30))
                window.exact = exact
                window.akin = akin
                guard score > window.score else { continue }
                insert(EvidenceWindow(sentences: start..<(start + length), exact: exact, akin: akin, score: score), limit)
                window.score = score
            }
        }
        work += groups.count * 24
    }

    private mutating func insert(_ window: EvidenceWindow, _ limit: Int) {
        if windows.count == limit, let last = windows.last, window.score <= last.score { return }
        let place = windows.firstIndex { window.score > $0.score } ?? windows.count
        windows.insert(window, at: place)
        if windows.count > limit { windows.removeLast() }
    }
}

/// The words of a claim lined up with those of a passage.
struct Alignment {
    /// Words of a passage that are looked at.
    private static let tokenLimit = 400
    /// Within how many words of a passage neighbours count as near.
    private static let reach = 6

    /// The passage's words, by their places in the index.
    let window: Range<Int>
    /// For every token of the claim, its partner's place within the window, -1 without one.
    private(set) var partner: [Int]
    /// For every token of the window, whether it is a partner.
    private(set) var isPartner: [Bool]
    /// The claim's word at every token of the window, -1 for none; the same word only.
    private(set) var wordAt: [Int8]
    /// Bits of the claim's words near every token of the window.
    private(set) var near: [UInt64]
    private(set) var stops = StopSet()

    init(_ match: ClaimMatch, _ sentences: Range<Int>, in index: EvidenceIndex) {
        let claim = match.claim
        let all = index.tokens(of: sentences)
        window = all.lowerBound..<min(all.upperBound, all.lowerBound + Self.tokenLimit)
        let count = window.count
        partner = [Int](repeating: -1, count: claim.tokens.count)
        isPartner = [Bool](repeating: false, count: count)
        wordAt = [Int8](repeating: -1, count: count)
        near = [UInt64](repeating: 0, count: count)
        var akinAt = wordAt
        // The hits are in the order of their places.
        var low = 0
        var high = match.hits.count
        while low < high {
            let middle = (low + high) / 2
            if match.hits[middle].place < window.lowerBound { low = middle + 1 } else { high = middle }
        }
        while low < match.hits.count, match.hits[low].place < window.upperBound {
            let hit = match.hits[low]
            let place = hit.place - window.lowerBound
            if hit.isExact { wordAt[place] = Int8(truncatingIfNeeded: hit.word) } else { akinAt[place] = Int8(truncatingIfNeeded: hit.word) }
            let bit = UInt64(1) << UInt64(hit.word)
            for other in max(0, place - Self.reach)..<min(count, place + Self.reach + 1) { near[other] |= bit }
            low += 1
        }
        for place in window where index.tokens[place].isStop { stops.insert(index.tokens[place].stopNumber) }
        align(claim, index, wordAt)
        align(claim, index, akinAt)
        alignStops(claim, index)
    }

    /// Each telling word with the place in whose neighbourhood most of its own neighbours stand.
    private mutating func align(_ claim: ClaimText, _ index: EvidenceIndex, _ at: [Int8]) {
        let tokens = claim.tokens
        var last = -1
        for place in tokens.indices where claim.wordOf[place] >= 0 && partner[place] < 0 {
            let word = claim.wordOf[place]
            var best = (score: -1.0, place: -1)
            let neighbours = claim.neighbours[Int(word)]
            var next = 0
            while let other = Self.place(of: word, in: at, from: next) {
                next = other + 1
                var score = Double((neighbours & near[other]).nonzeroBitCount)
                if place > 0, other > 0, tokens[place - 1].stem == index.tokens[window.lowerBound + other - 1].stem { score += 2 }
                if place + 1 < tokens.count, other + 1 < at.count, tokens[place + 1].stem == index.tokens[window.lowerBound + other + 1].stem { score += 2 }
                if other > last { score += 0.5 }
                if isPartner[other] { score -= 2 }
                if score > best.score { best = (score, other) }
            }
            guard best.place >= 0 else { continue }
            partner[place] = best.place
            isPartner[best.place] = true
            last = best.place
        }
    }

    private static func place(of word: Int8, in places: [Int8], from start: Int) -> Int? {
        guard start < places.count else { return nil }
        return unsafe places.withUnsafeBytes { bytes in
            unsafe memchr(bytes.baseAddress! + start, Int32(UInt8(bitPattern: word)), places.count - start).map { unsafe UnsafeRawPointer($0) - bytes.baseAddress! }
        }
    }

    /// Stop words only beside a partner of their neighbour.
    private mutating func alignStops(_ claim: ClaimText, _ index: EvidenceIndex) {
        for place in claim.tokens.indices.dropFirst() where partner[place] < 0 && partner[place - 1] >= 0 {
            let other = partner[place - 1] + 1
            guard other < window.count, claim.tokens[place].stem == index.tokens[window.lowerBound + other].stem else { continue }
            partner[place] = other
            isPartner[other] = true
        }
        for place in claim.tokens.indices.dropLast().reversed() where partner[place] < 0 && partner[place + 1] > 0 {
            let other = partner[place + 1] - 1
            guard claim.tokens[place].stem == index.tokens[window.lowerBound + other].stem else { continue }
            partner[place] = other
            isPartner[other] = true
        }
    }
}
