"""Headless Chromium, driven by its DevTools protocol over a WebSocket: one page, what it logs, its keys, its pictures."""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

from websockets.sync.client import connect

from product import wait_until

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page in a profile of its own. `problems` are what a developer would see in red in the console, network failures apart in `failures`."""

    def __init__(self, width=1440, height=900):
        assert CHROMIUM, "Chromium is missing: run scripts/setup.sh"
        self.profile = tempfile.mkdtemp(prefix="tt-browser-")
        self.process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
             "--remote-debugging-port=0", f"--user-data-dir={self.profile}", "--host-resolver-rules=MAP elsewhere.test 127.0.0.1",
             "--lang=en-GB", f"--window-size={width},{height}", "about:blank"],
            env={**os.environ, "HOME": self.profile, "TZ": "UTC"}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )
        self.problems, self.failures, self.requests = [], [], []
        self._number = 0
        self._open = ExitStack()
        try:
            port_file = Path(self.profile, "DevToolsActivePort")
            port = wait_until(lambda: port_file.exists() and port_file.read_text().split("\n")[0], 30, "Chromium's port")
            targets = wait_until(lambda: [each for each in json.load(urlopen(f"http://127.0.0.1:{port}/json")) if each["type"] == "page"], 30, "a page")
            self.socket = self._open.enter_context(connect(targets[0]["webSocketDebuggerUrl"], max_size=None, compression=None))
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
            self.size(width, height)
        except BaseException:
            self.end()
            raise

    def call(self, method, **parameters):
        """A command's result; events that come meanwhile are noted."""
        self._number += 1
        self.socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=30))
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._note(message)

    def _note(self, message):
        what = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                details = what["exceptionDetails"]
                self.problems.append(details.get("exception", {}).get("description") or details["text"])
            case "Runtime.consoleAPICalled" if what["type"] in ("error", "warning", "assert"):
                self.problems.append(f"console.{what['type']}: {what['args']}")
            case "Log.entryAdded" if what["entry"]["level"] in ("error", "warning"):
                entry = what["entry"]
                # A connection that fails while nobody listens is logged by the browser itself.
                network = entry["source"] == "network" or re.search("WebSocket connection to .* failed", entry["text"])
                (self.failures if network else self.problems).append(f"{entry['source']}: {entry['text']}")
            case "Network.requestWillBeSent":
                self.requests.append(what["request"]["url"])
            case "Page.javascriptDialogOpening":
                self.problems.append(f"dialog: {what['message']}")

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, f"{expression}: {result['exceptionDetails']}"
        return result["result"].get("value")

    def wait(self, expression, limit=15.0):
        """The first true value of an expression."""
        def value():
            try:
                return self.evaluate(expression)
            except AssertionError as error:
                if "context" in str(error):  # between two pages
                    return None
                raise

        return wait_until(value, limit, expression, pause=0.03)

    def text(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def click(self, selector):
        """A real click in the middle of the element, or of its first line."""
        box = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'nearest'}}); const r = e.getClientRects()[0]; return [r.x + r.width / 2, r.y + r.height / 2] }})()")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def key(self, key):
        codes = {"Enter": 13, "Escape": 27}
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=codes.get(key, 0), **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=codes.get(key, 0))

    def type(self, text):
        self.call("Input.insertText", text=text)

    def size(self, width, height, scale=1, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile)

    def theme(self, name):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}, {"name": "prefers-reduced-motion", "value": "reduce"}])

    def picture(self, name):
        """Keeps a screenshot among the artifacts of the run."""
        ARTIFACTS.mkdir(exist_ok=True)
        # Two frames: what was changed last is painted.
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        (ARTIFACTS / f"{name}.png").write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def end(self):
        self._open.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)
