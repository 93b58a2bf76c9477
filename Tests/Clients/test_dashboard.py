"""The dashboard in a real browser, in front of the whole product: live audits, evidence, filters, keys, crashes, sizes, themes.

Every test ends with a look at the console: nothing red, no script of others ran, no request went elsewhere."""

import json
import os
import signal
from urllib.parse import urlparse

import httpx
import pytest

from browser import Browser
from product import questions as questions_of_the_mock
from product import wait_until

MODELS = ["gpt-4o-mini", "llama3.1:70b", "claude-sonnet-4"]


@pytest.fixture(scope="module")
def chromium():
    browser = Browser()
    yield browser
    browser.end()


@pytest.fixture
def browser(chromium):
    """The browser as new, and after the test the look at its console."""
    chromium.open("about:blank")
    chromium.problems.clear(), chromium.failures.clear(), chromium.requests.clear()
    chromium.size(1440, 900)
    chromium.theme("light")
    yield chromium
    hosts = {urlparse(url).hostname for url in chromium.requests if url.startswith(("http", "ws"))}
    chromium.open("about:blank")
    assert not chromium.problems
    assert hosts <= {"localhost", "127.0.0.1"}, "the page asks nobody but the product"


@pytest.fixture(scope="module")
def questions():
    return [each["request"] for each in questions_of_the_mock()]


def ask(product, request, model=MODELS[0], path="/v1/chat/completions", **more):
    """One exchange through the proxy; the id of its audit's request."""
    answer = httpx.post(product.url + path, json={**request, "model": model, **more}, timeout=30)
    assert answer.status_code == 200
    return answer.headers["x-truthtable-request-id"]


def show(browser, product, rows=None):
    """Opens the dashboard, and waits for so many rows."""
    browser.open(f"http://localhost:{product.ws_port}/")
    browser.wait("document.querySelector('#connection').dataset.state === 'live'")
    if rows is not None:
        shown(browser, rows)


def shown(browser, count):
    """Waits until the list says that it shows so many audits, and none of them runs."""
    browser.wait(f"document.querySelector('#count').textContent.startsWith('{count} ') && !document.querySelector('.row.running')")


def verdicts(product):
    """Newest first."""
    return httpx.get(product.url + "/v1/audits", params={"limit": 100}).json()["audits"]


def titles(browser):
    """The questions of the rows in sight, from the top."""
    return browser.evaluate("[...document.querySelectorAll('.row')].sort((a, b) => a.ariaPosInSet - b.ariaPosInSet).map(e => e.querySelector('.query').textContent)")


def test_a_live_audit_is_opened_claim_by_claim(browser, start, questions):
    product = start(test_mode="true")
    show(browser, product, 0)
    browser.wait("document.querySelector('#nothing').innerText.includes('No audits yet')")
    assert "curl http://localhost:8080/v1/chat/completions" in browser.text("#nothing pre"), "the first request to try"
    browser.picture("dashboard-empty")

    question = questions[0]["messages"][-1]["content"]
    ask(product, questions[0])
    shown(browser, 1)
    assert titles(browser) == [question]
    assert browser.text(".row .badge") == verdicts(product)[0]["grade"] and "contradicts" in browser.text(".row .verdict")
    browser.key("j")
    browser.key("Enter")
    browser.wait("document.querySelector('#opened .in-place.contradicted.chosen') != null")
    # The claim in its place in the answer, the word that does not fit, and the evidence with what it says instead.
    assert browser.text(".in-place.contradicted") == "It is a cable-stayed bridge of steel with a length of 184 metres."
    assert browser.evaluate("[...document.querySelectorAll('.answer .contradicted .misfit')].map(e => e.textContent)") == ["184"]
    assert browser.evaluate("document.querySelectorAll('.in-place').length") == 5
    assert "148 metres" in browser.text(".claim.contradicted blockquote")
    assert browser.text(".claim.contradicted .otherwise") == "148"
    assert {"cable-stayed", "bridge", "steel", "length", "metres"} <= set(
        browser.evaluate("[...document.querySelectorAll('.claim.contradicted .fit')].map(e => e.textContent)"))
    assert browser.text(".claim.contradicted .reasoning") == "The answer says 184 metres, document 1 says 148 metres."
    assert browser.text(".claim.contradicted figcaption").startswith("Document 1")
    assert browser.text(".question .text") == question
    # A claim chosen in the text is marked beside it.
    browser.click(".in-place.supported")
    browser.wait("document.querySelector('.claim.supported.chosen') != null")
    browser.key("Escape")
    browser.wait("document.querySelector('.hint') != null")
    assert browser.failures == []


def test_history_figures_filters_search_and_keys(browser, start, questions):
    product = start(test_mode="true")
    for round in range(2):
        for number, question in enumerate(questions):
            ask(product, question, MODELS[(number + round) % 3])
    ask(product, {"messages": []}, path="/v1/completions", test_response="The moon is made of basalt.")
    product.wait_at_rest()
    show(browser, product, 11)  # what happened before the page was there
    rows = titles(browser)
    assert rows[-1] == questions[0]["messages"][-1]["content"], "newest first"

    grades = "Grades: " + ", ".join(f"{grade} {sum(each['grade'] == grade for each in verdicts(product))}" for grade in ["A", "B", "C", "D", "F", "N/A"])
    browser.wait(f"document.querySelector('#grades svg')?.getAttribute('aria-label') === {json.dumps(grades)}")  # figures follow the list, drawn at most so often
    mean = sum(each["trust_score"] or 0 for each in verdicts(product)) / 10
    assert browser.evaluate("document.querySelector('#trust svg').getAttribute('aria-label')").startswith(f"Trust over time: mean {mean:.0f} of 100 over 10 scored audits")
    browser.wait("document.querySelectorAll('#models li').length === 3")
    assert "/v1/chat/completions" in browser.text("#paths")
    browser.wait("/Captured\\s+11/.test(document.querySelector('#service').innerText)")
    assert "Workers up" in browser.text("#service") and "Dropped\n0" in browser.text("#service")

    # Filters: a grade, a verdict, a model, a path, and back.
    browser.click(".chip.grade-A")
    best = sum(each["grade"] == "A" for each in verdicts(product))
    browser.wait(f"document.querySelector('#count').textContent === '{best} of 11'")
    browser.click(".chip.grade-A")
    contradicted = sum(each["verdict_kind"] == "contradicted" for each in verdicts(product))
    for name, value, count in [("kind", "contradicted", contradicted), ("model", MODELS[1], 4), ("path", "/v1/completions", 1), ("state", "failed", 0)]:
        browser.evaluate(f"(() => {{ const e = document.querySelector('[name={name}]'); e.value = '{value}'; e.dispatchEvent(new Event('change', {{bubbles: true}})) }})()")
        browser.wait(f"document.querySelector('#count').textContent === '{count} of 11'")
        if count == 0:
            assert "No audit matches" in browser.text("#nothing")
        browser.click("#clear")
        shown(browser, 11)

    # Search: every text of an audit, words in any order.
    browser.key("/")
    browser.type("pascoe KESTREL")
    browser.wait("document.querySelector('#count').textContent === '2 of 11'")
    browser.key("Escape")
    shown(browser, 11)

    # Keys: the list, which has the focus now with its first row, help, failed only.
    for key in "jjk":
        browser.key(key)
    browser.key("Enter")
    browser.wait("document.querySelector('#opened .question') != null")
    assert browser.text(".question .text") == rows[1]
    assert browser.evaluate("document.querySelector('.row[aria-selected=true]').ariaPosInSet") == "2"
    browser.key("?")
    browser.wait("document.querySelector('#keys').open")
    browser.key("Escape")
    browser.wait("!document.querySelector('#keys').open")
    browser.key("f")
    browser.wait("document.querySelector('#count').textContent === '0 of 11'")
    browser.key("f")
    shown(browser, 11)

    # Pause: what comes waits, and is counted.
    browser.key("p")
    ask(product, questions[1])
    browser.wait("document.querySelector('#pause').textContent === 'Resume · 1 waiting'")
    assert browser.text("#count") == "11 audits"
    browser.key("p")
    shown(browser, 12)
    assert browser.text("#pause") == "Pause"
    assert browser.failures == []


def test_themes_and_phone_width(browser, start, questions):
    product = start(test_mode="true")
    for number, question in enumerate(questions * 3):
        ask(product, question, MODELS[number % 3])
    show(browser, product, 15)
    browser.key("j")
    browser.key("j")
    browser.key("j")
    browser.key("Enter")
    browser.wait("document.querySelector('.in-place.contradicted') != null")
    browser.wait("document.querySelector('#grades svg') != null && /Captured\\s+15/.test(document.querySelector('#service').innerText)")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = browser.evaluate(ground)
    assert contrasts(browser) == []
    browser.picture("dashboard-light")
    browser.theme("dark")
    dark = browser.evaluate(ground)
    assert dark != light
    assert contrasts(browser) == []
    browser.picture("dashboard-dark")
    # The switch goes before the system, and is remembered.
    browser.click("#theme")
    assert browser.evaluate(ground) == light
    browser.call("Page.reload")
    browser.wait("document.querySelector('.row') != null")
    assert browser.evaluate(ground) == light
    browser.click("#theme")
    assert browser.evaluate(ground) == dark
    browser.evaluate("localStorage.clear()")

    for width in (390, 320):
        browser.size(width, 844, 2, mobile=True)
        browser.wait("document.querySelector('.is-open') != null")
        no_sideways(browser)
        if width == 390:
            browser.picture("dashboard-phone-audit")
        browser.click("#opened .close")
        browser.wait("document.querySelector('.is-open') === null")
        no_sideways(browser)
        if width == 390:
            browser.evaluate("document.querySelector('#figures').open = false")
            browser.picture("dashboard-phone")
        browser.evaluate("document.querySelector('#figures').open = true")
        no_sideways(browser)
        browser.click(".row")
        browser.wait("document.querySelector('#opened .title') != null")


def no_sideways(browser):
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth && document.querySelector('#opened').scrollWidth <= innerWidth")


def contrasts(browser):
    """Texts in sight with less contrast to their ground than WCAG AA asks for (4.5, large ones 3)."""
    return browser.evaluate("""(() => {
        const parse = text => (text.match(/[\\d.]+/g) ?? []).map(Number);
        const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const ground = element => {
            for (let e = element; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c; }
            return [255, 255, 255];
        };
        const bad = [];
        for (const element of document.querySelectorAll('body *')) {
            if (![...element.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !element.checkVisibility()) continue;
            const style = getComputedStyle(element);
            const isDrawn = element instanceof SVGElement;
            const a = light(parse(isDrawn ? style.fill : style.color)), b = light(ground(isDrawn ? element.closest('svg').parentElement : element));
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            const isLarge = parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700;
            if (ratio < (isLarge ? 3 : 4.5)) bad.push(`${element.className} ${element.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
        }
        return bad;
    })()""")


def test_the_broadcaster_is_killed_and_nothing_is_missed(browser, start, questions):
    product = start(test_mode="true")
    ask(product, questions[0])
    show(browser, product, 1)
    restarts = product.restarts("broadcaster")
    product.kill("broadcaster")
    # Audits while it is away, and behind them.
    for question in questions:
        ask(product, question)
    wait_until(lambda: product.restarts("broadcaster") > restarts, what="another broadcaster")
    shown(browser, 6)
    for question in questions[:2]:
        ask(product, question)
    shown(browser, 8)
    assert browser.text(".notice") == "", "neither a gap nor a lost connection is left on the page"
    assert browser.evaluate("new Set([...document.querySelectorAll('.row')].map(e => e.id)).size === document.querySelectorAll('.row').length")


def test_a_lost_connection_shows_and_ends(browser, start, questions):
    product = start(test_mode="true", audit_timeout="60s", auditor_hung_timeout="60s")
    ask(product, questions[0])
    show(browser, product, 1)
    grade = verdicts(product)[0]["grade"]
    product.kill("auditor", signal.SIGSTOP)
    ask(product, questions[2])
    browser.wait("document.querySelector('.row.running') != null")
    ports = {"port": product.port, "ws_port": product.ws_port}
    product.signal(signal.SIGKILL)  # and with it all of its processes
    product.wait()
    browser.wait("document.querySelector('#connection').dataset.state === 'waiting'")
    browser.wait("/Not connected since .*Trying again in .*Try now/s.test(document.querySelector('.notice')?.innerText)")
    assert titles(browser), "what was there stays"
    browser.picture("dashboard-disconnected")
    # The same ports, nothing else the same: a new epoch without a history.
    again = start(test_mode="true", **ports)
    browser.wait("document.querySelector('#connection').dataset.state === 'live'")
    ask(again, questions[1])
    shown(browser, 3)
    browser.wait("document.querySelector('.notice.history') != null")
    assert [browser.text(f".row[aria-posinset='{number}'] .badge") for number in (1, 2, 3)] == [verdicts(again)[0]["grade"], "!", grade]
    assert "was not seen" in browser.text(".row.failed .verdict"), "what ran then will not end any more"
    assert "not shown" in browser.text(".notice.history")
    browser.click(".notice.history button")
    browser.wait("document.querySelector('.notice') === null")


def test_audits_lost_with_the_dispatcher_are_shown_as_lost(browser, start, questions):
    product = start(test_mode="true", audit_timeout="60s", auditor_hung_timeout="60s")
    show(browser, product, 0)
    # Auditors that stand still: their audit runs until the dispatcher dies.
    stopped = product.kill("auditor", signal.SIGSTOP)
    try:
        ask(product, questions[0])
        browser.wait("document.querySelector('.row.running') != null")
        assert browser.text(".row .verdict") == "Being audited"
        product.kill("dispatcher")
        browser.wait("document.querySelector('.row.failed') != null")
    finally:
        for pid in stopped:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
    assert browser.text(".row .query") == "Lost"
    browser.key("f")
    browser.wait("document.querySelector('#count').textContent === '1 of 1'")
    browser.click(".row")
    browser.wait("document.querySelector('#opened .reason') != null")
    assert "dispatcher was restarted" in browser.text("#opened .reason")
    browser.key("f")
    ask(product, questions[1])  # of the new epoch
    browser.wait("document.querySelectorAll('.row:not(.running)').length === 2")


HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"><svg onload=\"document.title='owned'\">"


def test_texts_of_others_stay_texts(browser, start):
    product = start(test_mode="true")
    documents = f"<document>The bridge {HOSTILE} is 148 metres long and {HOSTILE} was built in 1987.</document>"
    ask(
        product, {"messages": [{"role": "system", "content": f"Answer from this document.\n{documents}"}, {"role": "user", "content": f"How long is the bridge? {HOSTILE}"}]},
        model=f"model{HOSTILE}", path="/v1/%3Cimg%20src=x%20onerror=alert(1)%3E/chat/completions",
        test_response=f"The bridge {HOSTILE} is 184 metres long. It was built in 1987 {HOSTILE}.")
    show(browser, product, 1)
    browser.click(".row")
    browser.wait("document.querySelector('#opened .in-place') != null")
    for selector in ("#opened .question", "#opened .answer", ".row", "#opened .head"):
        assert "onerror" in browser.text(selector) or "onerror" in browser.evaluate(f"document.querySelector('{selector}').textContent"), selector
    browser.wait("document.querySelector('#models li') != null")
    assert browser.evaluate("document.title") == "TruthTable"
    assert browser.evaluate("document.querySelectorAll('main img, main script, svg[onload], #figures img').length") == 0
    # Were there a way, the policy would still refuse it.
    assert browser.evaluate("(() => { try { document.body.innerHTML = '<b>'; return false } catch (e) { return e instanceof TypeError } })()")
    browser.problems[:] = [each for each in browser.problems if "TrustedHTML" not in each]  # the line above
    assert browser.failures == []


def test_the_token_is_asked_for(chromium, start, questions):
    product = start(test_mode="true", access_token="sesame-123")
    ask(product, questions[0])
    # By a name that is not this machine's, as from elsewhere (browser.py maps it here).
    chromium.open("about:blank")
    chromium.problems.clear()
    chromium.open(f"http://elsewhere.test:{product.ws_port}/?token=wrong")
    chromium.wait("document.querySelector('#access').open")
    assert "token" in chromium.text("#access-why")
    assert chromium.evaluate("location.search") == "", "a token does not stay in the address"
    assert chromium.evaluate("document.querySelectorAll('.row').length") == 0
    chromium.picture("dashboard-token")
    chromium.type("not it")
    chromium.key("Enter")
    chromium.wait("document.querySelector('#access-why').textContent === 'This is not the access token.'")
    chromium.evaluate("document.querySelector('#token').value = ''")
    chromium.type("sesame-123")
    chromium.key("Enter")
    shown(chromium, 1)
    assert not chromium.evaluate("document.querySelector('#access').open")
    chromium.call("Page.reload")
    chromium.wait("document.readyState === 'complete'")
    shown(chromium, 1)  # the cookie stands for it
    assert chromium.evaluate("document.cookie") == "", "scripts do not see it"
    assert not chromium.problems


def test_ten_thousand_audits_do_not_slow_it_down(browser, start):
    """The page alone, fed with messages: what a frame costs does not grow with what is held."""
    product = start(test_mode="true")
    show(browser, product, 0)
    rows = browser.evaluate("""(async () => {
        const { Audits, Filter } = await import("/page/audits.js");
        const { Feed } = await import("/page/feed.js");
        const audits = new Audits(), filter = new Filter(), feed = new Feed({ open() {} });
        const add = n => audits.take({ type: "audit_complete", payload: { audit_id: `a${n}`, request_id: `r${n}`, grade: "ABCDF"[n % 5], trust_score: n % 100,
            query: `Question ${n}`, answer: "An answer. ".repeat(100), verdict: "All is well", model: `m${n % 3}`, path: "/v1", timestamp: 1.7e12 + n, verifications: [] } }, 3000);
        const timed = (times, body) => { const began = performance.now(); for (let i = 0; i < times; i += 1) body(i); return (performance.now() - began) / times; };
        for (let n = 0; n < 100; n += 1) add(n);
        const few = timed(50, i => { add(100 + i); feed.show(filter.shown(audits)); });
        for (let n = 150; n < 10000; n += 1) add(n);
        feed.show(filter.shown(audits));
        const frame = timed(50, i => { add(10000 + i); feed.show(filter.shown(audits)); });
        filter.search("question 9");
        const found = filter.shown(audits).length;
        return { held: audits.all.length, rows: document.querySelectorAll(".row").length, few, frame, found };
    })()""")
    assert 9_000 <= rows["held"] <= 10_000
    assert rows["rows"] < 60
    # One more audit: within a frame of 60 per second, or on a busy machine not much more than with a hundred.
    assert rows["frame"] < 16 or rows["frame"] < 5 * rows["few"], rows
    assert 1_000 <= rows["found"] < rows["held"], rows
