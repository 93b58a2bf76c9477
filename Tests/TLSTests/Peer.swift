// The other side of the tests: a Python server with one listener per kind of certificate, made once for all tests by the
// openssl command line in a temporary directory. However this process ends, the peer sees its input end, removes the
// directory and ends too.
import CLinux
import Glibc

/// A running peer. Every listener has a name; see `script` for what each one does.
struct Peer: Sendable {
    static let shared = Peer()

    let directory: String
    let ports: [String: UInt16]

    /// The authority behind every certificate but `stranger`'s.
    var authority: String { directory + "/ca.pem" }

    func port(_ name: String) -> UInt16 { ports[name] ?? 0 }

    private init() {
        var template = Array("/tmp/tlstests.XXXXXX".utf8CString)
        directory = mkdtemp(&template) == nil ? "/tmp" : String(decoding: template.dropLast().map(UInt8.init), as: UTF8.self)
        cl_ignore_sigpipe()
        Self.run(["/bin/sh", "-c", Self.certificates, "sh", directory])
        let (_, output) = Self.start(["/usr/bin/env", "python3", "-u", "-c", Self.script, directory])
        var ports: [String: UInt16] = [:]
        while let line = Self.line(from: output), line != "ready" {
            let words = line.split(separator: " ")
            if words.count == 2 { ports[String(words[0])] = UInt16(words[1]) }
        }
        self.ports = ports
    }

    // Processes

    private static func run(_ arguments: [String]) {
        let (pid, output) = start(arguments)
        while line(from: output) != nil {}
        close(output)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        precondition(status == 0, "certificates could not be made")
    }

    /// Starts a program; gives its output. Its input stays open, unused, until this process ends.
    private static func start(_ arguments: [String]) -> (pid_t, Int32) {
        var input: [Int32] = [0, 0]
        var output: [Int32] = [0, 0]
        precondition(pipe(&input) == 0 && pipe(&output) == 0)
        for descriptor in input + output { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, input[0], 0)
        posix_spawn_file_actions_adddup2(&actions, output[1], 1)
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        words.append(nil)
        var pid: pid_t = 0
        precondition(posix_spawn(&pid, arguments[0], &actions, nil, words, environ) == 0)
        posix_spawn_file_actions_destroy(&actions)
        for word in words { free(word) }
        close(input[0])
        close(output[1])
        return (pid, output[0])
    }

    private static func line(from descriptor: Int32) -> String? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while Glibc.read(descriptor, &byte, 1) == 1 {
            if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte)
        }
        return nil
    }

    private static let certificates = """
        set -eu; cd "$1"; exec 2>log
        printf '%s\\n' '[ca]' 'default_ca=d' '[d]' 'database=index' 'serial=serial' 'new_certs_dir=.' 'default_md=sha256' \\
            'policy=p' 'unique_subject=no' 'copy_extensions=copy' '[p]' 'commonName=supplied' >conf
        : >index; echo 01 >serial
        key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
        authority() { key "$1"; openssl req -x509 -new -key "$1.key" -out "$1.pem" -subj "/CN=$2" -days 30; }
        # name, authority, alternative names, first day, last day
        leaf() {
            key "$1"
            if [ -n "$3" ]; then set -- "$1" "$2" "$3" "$4" "$5" -addext "subjectAltName=$3"; fi
            n=$1 a=$2 from=$4 to=$5; shift 5
            openssl req -new -key "$n.key" -out "$n.csr" -subj "/CN=leaf $n" "$@"
            openssl ca -batch -notext -config conf -cert "$a.pem" -keyfile "$a.key" -in "$n.csr" -out "$n.pem" -startdate "$from" -enddate "$to"
        }
        authority ca 'Test Authority'; authority strangers 'Unheard Of'
        now=$(date -u -d -1day +%Y%m%d%H%M%SZ) later=$(date -u -d +20days +%Y%m%d%H%M%SZ)
        leaf good ca DNS:localhost,IP:127.0.0.1,IP:::1 "$now" "$later"
        leaf other ca DNS:other.example,DNS:*.wild.example,IP:192.0.2.1 "$now" "$later"
        leaf nameless ca '' "$now" "$later"
        leaf stranger strangers DNS:localhost "$now" "$later"
        leaf expired ca DNS:localhost 20200101000000Z 20210203000000Z
        leaf future ca DNS:localhost 20900101000000Z 20910101000000Z
        openssl req -x509 -new -key good.key -out self.pem -subj '/CN=localhost' -addext subjectAltName=DNS:localhost -days 30
        cp good.key self.key
        openssl ec -in good.key -aes128 -passout pass:secret -out locked.key
        openssl genrsa -out rsa.key 2048
        """

    /// After the handshake every TLS listener obeys one line: `echo`, `send N`, `end`, `cut`, `swallow N`, `facts`.
    private static let script = """
        import os, shutil, socket, ssl, sys, threading
        directory = sys.argv[1]
        def serve(name, certificate=None, adjust=lambda c: None, raw=None):
            listener = socket.create_server(('127.0.0.1', 0), backlog=64)
            context = None
            if certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(f'{directory}/{certificate}.pem', f'{directory}/{certificate}.key')
                context.set_alpn_protocols(['http/1.1'])
                context.sni_callback = lambda s, n, c: names.__setitem__(id(s), n)
                adjust(context)
            print(name, listener.getsockname()[1])
            def loop():
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=guard, args=(connection, context, raw), daemon=True).start()
            threading.Thread(target=loop, daemon=True).start()
        names = {}
        def guard(connection, context, raw):
            try:
                if raw: raw(connection)
                else: talk(context.wrap_socket(connection, server_side=True))
            except (OSError, ValueError): pass
            connection.close()
        def pattern(start, count): return bytes((start + i) % 251 for i in range(count))
        def talk(s):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            line = b''
            while not line.endswith(b'\\n'):
                more = s.recv(1)
                if not more: return
                line += more
            words = line.decode().split()
            if words[0] == 'echo':
                while data := s.recv(65536): s.sendall(data)
                s.unwrap()
            elif words[0] == 'send':
                left, block = int(words[1]), pattern(0, 251) * 64
                while left > 0:
                    s.sendall(block[:left]); left -= len(block[:left])
                s.unwrap()
            elif words[0] == 'swallow':
                left = int(words[1])
                while left > 0: left -= len(s.recv(65536))
                s.sendall(b'done'); s.unwrap()
            elif words[0] == 'facts':
                s.sendall(f'{names.get(id(s))} {s.version()} {s.session_reused} {s.selected_alpn_protocol()}'.encode()); s.unwrap()
            elif words[0] == 'end': s.sendall(b'whole'); s.unwrap()
            elif words[0] == 'cut': s.sendall(b'part')
            s.close()
        def old(context):
            context.set_ciphers('ALL:@SECLEVEL=0')
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        def mutual(context):
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(f'{directory}/ca.pem')
        def twelve(context): context.maximum_version = ssl.TLSVersion.TLSv1_2
        def plain(connection):
            connection.recv(1); connection.sendall(b'HTTP/1.1 400 Bad Request\\r\\n\\r\\n')
        import warnings; warnings.simplefilter('ignore')
        for name in ['good', 'other', 'nameless', 'stranger', 'expired', 'future', 'self']: serve(name, name)
        serve('tls12', 'good', twelve); serve('tls11', 'good', old); serve('mutual', 'good', mutual)
        serve('plain', raw=plain); serve('closes', raw=lambda c: c.recv(1)); serve('silent', raw=lambda c: c.recv(1 << 20) and c.recv(1))
        print('ready')
        sys.stdin.read()
        shutil.rmtree(directory)
        os._exit(0)
        """
}
