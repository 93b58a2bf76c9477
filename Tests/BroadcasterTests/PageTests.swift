// The page as it is sent: every file of it, not changed on the way, kept by browsers, and asked for the token by who may not look.
import Configuration
import Glibc
import Testing

@testable import broadcaster

@Suite(.serialized)
struct PageTests {
    private static let folder = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/Sources/broadcaster/page"

    /// Names and bytes of the page's files.
    private static func sources() throws -> [(name: String, bytes: [UInt8])] {
        let listing = try #require(opendir(folder))
        defer { closedir(listing) }
        var files: [(String, [UInt8])] = []
        while let entry = readdir(listing) {
            let name = withUnsafePointer(to: entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
            guard !name.hasPrefix(".") else { continue }
            let file = try #require(fopen(folder + "/" + name, "r"))
            defer { fclose(file) }
            var bytes = [UInt8](repeating: 0, count: 1 << 20)
            bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
            files.append((name, bytes))
        }
        return files
    }

    private static func get(_ path: String, _ fields: String = "", host: String = "localhost") -> String {
        "GET \(path) HTTP/1.1\r\nHost: \(host)\r\n\(fields)\r\n"
    }

    private static func harness() throws -> RoleHarness {
        var settings = Settings()
        settings.accessToken = "sesame"
        return try RoleHarness(settings)
    }

    @Test func `every file of the page is served as it is`() throws {
        let test = try Self.harness()
        let files = try Self.sources()
        #expect(files.count > 5)
        for (name, bytes) in files {
            // They hold no data: also to who may not look.
            let answer = test.ask(Self.get(name == "index.html" ? "/" : "/page/\(name)", host: name == "index.html" ? "localhost" : "elsewhere.example"))
            #expect(answer.hasPrefix("HTTP/1.1 200 "), "\(name): add it to DashboardPage.swift")
            let isWhole = answer.utf8.suffix(bytes.count).elementsEqual(bytes)
            #expect(isWhole, "\(name)")
            let head = String(decoding: answer.utf8.dropLast(bytes.count), as: UTF8.self)
            for part in ["\r\nX-Content-Type-Options: nosniff\r\n", "; charset=utf-8\r\n", "\r\nContent-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "] {
                #expect(head.contains(part), "\(name)")
            }
            #expect(!head.contains("unsafe"))
        }
    }

    @Test func `who has it is told so, who takes gzip gets it`() throws {
        let test = try Self.harness()
        let plain = test.ask(Self.get("/page/main.js"))
        let tag = try #require(plain.split(separator: "\r\n").first { $0.hasPrefix("ETag: ") }?.dropFirst(6))
        let known = test.ask(Self.get("/page/main.js", "If-None-Match: \(tag)\r\n"))
        #expect(known.hasPrefix("HTTP/1.1 304 ") && known.hasSuffix("\r\n\r\n") && known.contains("ETag: \(tag)"))
        #expect(test.ask(Self.get("/page/main.js", "If-None-Match: \"other\"\r\n")).hasPrefix("HTTP/1.1 200 "))
        let zipped = test.ask(Self.get("/page/main.js", "Accept-Encoding: br, gzip\r\n"))
        #expect(zipped.contains("\r\nContent-Encoding: gzip\r\n") && zipped.contains("\r\nVary: Accept-Encoding\r\n"))
        let length = { (answer: String) in answer.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }.flatMap { Int($0.dropFirst(16)) } ?? 0 }
        #expect(length(zipped) > 100 && length(zipped) < length(plain) / 2)
    }

    @Test func `without a token a shown one is not kept`() throws {
        #expect(!(try RoleHarness(Settings())).ask(Self.get("/?token=any")).contains("Set-Cookie"))
    }

    @Test(arguments: [
        // A browser gets the page, which asks; a program gets the sentence.
        (get("/", "Accept: text/html,*/*\r\n", host: "elsewhere.example"), "401", "<!doctype html>", false),
        (get("/", "Accept: */*\r\n", host: "elsewhere.example"), "401", "{\"error\":", false),
        (get("/?token=wrong", "Accept: text/html\r\n"), "401", "<!doctype html>", false),
        (get("/", "Authorization: Bearer wrong\r\n"), "401", "the access token is wrong", false),
        (get("/", "Authorization: Bearer sesame\r\n", host: "elsewhere.example"), "200", "<!doctype html>", true),
        (get("/?token=sesame", "If-None-Match: *\r\n", host: "elsewhere.example"), "200", "<!doctype html>", true),
        (get("/", "Cookie: truthtable_token=sesame\r\n", host: "elsewhere.example"), "200", "<!doctype html>", false),
        (get("/"), "200", "<!doctype html>", false),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", "405", "use GET", false),
        (get("/page/nothing.js"), "404", "not found", false),
    ])
    func `who shows the token has it as a cookie from then on`(_ request: String, _ status: String, _ part: String, _ hasCookie: Bool) throws {
        let answer = try Self.harness().ask(request)
        #expect(answer.hasPrefix("HTTP/1.1 \(status) ") && answer.contains(part), "\(answer.prefix(300))")
        #expect(answer.contains("\r\nSet-Cookie: truthtable_token=sesame; HttpOnly; SameSite=Strict; Path=/\r\n") == hasCookie)
        #expect(answer.contains("Set-Cookie") == hasCookie)
    }
}
