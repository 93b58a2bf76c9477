// What `truthtable status --json` shows; the fields are an interface that people script against.
import EventLoop
import Glibc
import Telemetry

/// Collected from the supervisor's own knowledge and the scoreboard, so that it answers while children hang.
struct StatusReport {
    struct Process {
        let role: String
        let number: Int
        let pid: Int32
        let state: String
        let restarts: Int
        let uptimeMilliseconds: Int64
    }

    struct Listener {
        let name: String
        let address: String
    }

    struct Auditors {
        let wanted: Int
        let most: Int
    }

    let version: String
    let auditors: Auditors
    let processes: [Process]
    let listeners: [Listener]
    let ledger: LedgerTotals

    var json: String {
        let processes = self.processes.map { process in
            "{\"role\":\"\(process.role)\",\"id\":\(process.number),\"pid\":\(process.pid),\"state\":\"\(process.state)\","
                + "\"restarts\":\(process.restarts),\"uptime_ms\":\(process.uptimeMilliseconds)}"
        }
        let listeners = self.listeners.map { "{\"name\":\"\($0.name)\",\"address\":\(quoted($0.address))}" }
        return "{\"version\":\"\(version)\",\"auditors\":{\"wanted\":\(auditors.wanted),\"most\":\(auditors.most)},\"processes\":[\(processes.joined(separator: ","))],"
            + "\"listeners\":[\(listeners.joined(separator: ","))],\"ledger\":\(ledger.json)}"
    }

    /// Addresses hold paths that people choose.
    private func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20: result += "\\u00" + (scalar.value < 0x10 ? "0" : "") + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
