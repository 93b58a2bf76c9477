// From coverage and mismatches to the probability that the documents bear a claim out. Monotone: more coverage never lowers
// it, a mismatch never raises it.

import Glibc

enum Classifier {
    static func probability(_ features: ClaimFeatures) -> Double {
        var logit = 9.0 * (features[.coverage] - 0.55)
        for mismatch in features.mismatches {
            switch mismatch.kind {
            case .numberReplaced: logit -= 4
            case .numberAbsent: logit -= 2
            case .nameReplaced: logit -= 3
            case .nameAbsent: logit -= 1.5
            case .negation: logit -= 3.5
            case .opposite: logit -= 2
            case .sibling: logit -= 1
            }
        }
        return min(0.99, max(0.01, 1 / (1 + exp(-logit))))
    }

    /// Whether the evidence says otherwise, which is more than saying nothing: it speaks of the same thing, and a value is another there.
    static func isContradiction(coverage: Double, mismatches: [Mismatch]) -> Bool {
        mismatches.contains { mismatch in
            switch mismatch.kind {
            case .numberReplaced: coverage >= 0.5
            case .nameReplaced: coverage >= 0.7
            case .negation, .opposite: coverage >= 0.7
            case .numberAbsent, .nameAbsent, .sibling: false
            }
        }
    }
}
