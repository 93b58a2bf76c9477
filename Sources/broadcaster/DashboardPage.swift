// The page at `/` of the dashboards' port: live audits with their claims and evidence. Its files are those of `page/`, put into
// the executable by the build (`embedInCode`); they hold no data, so that whoever may not look gets them too and is asked for
// the token. Everything that comes from requests and models is put into the page as text, and the policy lets nothing but these
// files run.
import CZlib
import HTTP
import Inbound

struct DashboardPage {
    /// A file as it is sent: made once, lent to every answer.
    private struct File {
        let fields: HTTPFields
        let zippedFields: HTTPFields
        let bytes: [UInt8]
        /// In gzip; nil where zlib could not.
        let zipped: [UInt8]?
        let tag: String
    }

    private let files: [String: File]

    init() {
        files = [
            "/": Self.file("text/html", PackageResources.index_html),
            "/page/page.css": Self.file("text/css", PackageResources.page_css),
            "/page/icon.svg": Self.file("image/svg+xml", PackageResources.icon_svg),
            "/page/theme.js": Self.file("text/javascript", PackageResources.theme_js),
            "/page/main.js": Self.file("text/javascript", PackageResources.main_js),
            "/page/connection.js": Self.file("text/javascript", PackageResources.connection_js),
            "/page/audits.js": Self.file("text/javascript", PackageResources.audits_js),
            "/page/feed.js": Self.file("text/javascript", PackageResources.feed_js),
            "/page/opened.js": Self.file("text/javascript", PackageResources.opened_js),
            "/page/words.js": Self.file("text/javascript", PackageResources.words_js),
            "/page/figures.js": Self.file("text/javascript", PackageResources.figures_js),
            "/page/dom.js": Self.file("text/javascript", PackageResources.dom_js),
        ]
    }

    func has(_ path: String) -> Bool { files[path] != nil }

    /// Answers a GET or HEAD of one of the files. `status` is 401 for a client that the page is to ask for the token; `cookie` is
    /// for one that showed it: the page's WebSocket shows it again.
    func answer(_ request: HTTPRequest, _ server: HTTPServer, status: UInt16 = 200, cookie: String? = nil) {
        guard let file = files[request.path] else { return }
        if status == 200, cookie == nil, request[.ifNoneMatch] == file.tag {
            server.respond(request.id, 304, file.fields)
            return
        }
        let zipped = request[.acceptEncoding]?.lowercased().contains("gzip") == true ? file.zipped : nil
        var fields = zipped != nil ? file.zippedFields : file.fields
        if let cookie { fields.append("Set-Cookie", cookie) }
        if status != 200 { fields.append("Cache-Control", "no-store") }  // or a 304 would later stand for it
        server.respond(request.id, status, fields, zipped ?? file.bytes)
    }

    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        + "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

    private static func file(_ type: String, _ bytes: [UInt8]) -> File {
        // Weak: the same for both encodings.
        let tag = "W/\"\(String(crc32(0, bytes, UInt32(bytes.count)), radix: 16))\""
        var fields: HTTPFields = [
            "Content-Type": type + "; charset=utf-8", "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            // Asked for each time, sent only when it has changed: pages of two builds never mix.
            "Cache-Control": "no-cache", "Vary": "Accept-Encoding",
        ]
        fields.append("ETag", tag)
        return File(fields: fields, zippedFields: fields.with("Content-Encoding", "gzip"), bytes: bytes, zipped: gzip(bytes), tag: tag)
    }

    /// RFC 1952. What is compressed here is ours and small.
    private static func gzip(_ bytes: [UInt8]) -> [UInt8]? {
        let withGzipHeader: Int32 = 15 + 16
        var stream = z_stream()
        guard czlib_deflate_init(&stream, Z_BEST_COMPRESSION, withGzipHeader, 8) == Z_OK else { return nil }
        defer { deflateEnd(&stream) }
        var input = bytes
        var result = Z_OK
        let zipped = [UInt8](unsafeUninitializedCapacity: Int(deflateBound(&stream, UInt(bytes.count)))) { room, count in
            input.withUnsafeMutableBufferPointer { input in
                stream.next_in = input.baseAddress
                stream.avail_in = UInt32(input.count)
                stream.next_out = room.baseAddress
                stream.avail_out = UInt32(room.count)
                result = deflate(&stream, Z_FINISH)
            }
            count = room.count - Int(stream.avail_out)
        }
        return result == Z_STREAM_END ? zipped : nil
    }
}
