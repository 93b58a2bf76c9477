// From coverage and mismatches to the probability that the documents bear a claim out. Monotone: more coverage never lowers
// it, a mismatch never raises it.

import Glibc

enum Classifier {
    /// From here on a claim counts as supported. Below one half: the labelled claims that probabilities are calibrated on are
    /// unsupported more often than not, and here both kinds of error weigh alike.
    static let threshold = 0.34

    /// The belief before calibration. Weights of features that raise support are positive, of those that lower it negative, and
    /// those behind the hidden units positive: so every feature keeps its sign, whatever the others are.
    static func logit(_ features: ClaimFeatures) -> Double {
        typealias Parameters = ClassifierParameters
        let stride = Parameters.offsets.count
        // Parameters of other features are good enough to fit new ones by.
        let count = min(stride, features.values.count)
        var logit = Parameters.bias
        for feature in 0..<count {
            let value = features.values[feature] - Parameters.offsets[feature]
            logit += Parameters.direct[feature] * value
        }
        for unit in 0..<Parameters.outputs.count {
            var sum = Parameters.hiddenBiases[unit]
            for feature in 0..<count { sum += Parameters.hidden[unit * stride + feature] * (features.values[feature] - Parameters.offsets[feature]) }
            logit += Parameters.outputs[unit] * tanh(sum)
        }
        return logit
    }

    static func probability(_ features: ClaimFeatures) -> Double { calibrated(logit(features)) }

    /// From belief to probability: straight lines between points that rise.
    static func calibrated(_ logit: Double) -> Double {
        let points = ClassifierParameters.calibration
        guard let first = points.first, let last = points.last else { return 0.5 }
        if logit <= first.logit { return first.probability }
        for (low, high) in zip(points, points.dropFirst()) where logit < high.logit {
            return low.probability + (high.probability - low.probability) * (logit - low.logit) / (high.logit - low.logit)
        }
        return last.probability
    }

    /// Whether the evidence says otherwise, which is more than saying nothing: it speaks of the same thing, and a value is another there.
    static func isContradiction(_ features: ClaimFeatures, probability: Double) -> Bool {
        guard probability < threshold else { return false }
        return features.mismatches.contains { mismatch in
            switch mismatch.kind {
            case .fieldReplaced: true
            case .numberReplaced: features.coverageOfRest >= 0.6 && mismatch.strength >= 0.4
            case .nameReplaced: features.coverage >= 0.7 && mismatch.strength >= 0.6
            case .negation: features.coverage >= 0.7 && mismatch.strength >= 0.6
            case .opposite: features.coverage >= 0.7 && mismatch.strength >= 0.5
            case .numberAbsent, .nameAbsent, .sibling: false
            }
        }
    }
}
