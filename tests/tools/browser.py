"""A real browser, steered by a test: browser.py MICROPHONE.wav [FLAG...]

Each line on stdin is a command in JSON, {"do": NAME, "page": PAGE, ...}; each line on stdout its answer, {"ok": VALUE} or
{"error": TEXT}. The microphone plays the file (s16, 48 kHz) in a loop. What a page says on its console goes to stderr.
"""
import json
import sys

from playwright.sync_api import Error, sync_playwright

from relay import Relay

MICROPHONE, FLAGS = sys.argv[1], sys.argv[2:]
ARGS = [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    f"--use-file-for-fake-audio-capture={MICROPHONE}",
    # On a host with only the loopback interface a browser would offer no address at all.
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    *FLAGS,
]
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}


def open_page(browser, pages, command):
    """A phone of its own: storage, language and permissions are shared with no other page."""
    allows = command.get("allows_microphone", True)
    context = browser.new_context(
        **PHONE,
        locale=command.get("locale", "en-US"),
        permissions=["microphone"] if allows else [],
        ignore_https_errors=True,
        reduced_motion=command.get("reduced_motion", "no-preference"),
    )
    if script := command.get("script"):
        context.add_init_script(script)
    page = context.new_page()
    page.on("console", lambda message: print(f"{command['page']}: {message.text}", file=sys.stderr))
    page.on("pageerror", lambda error: print(f"{command['page']}: uncaught {error}", file=sys.stderr))
    pages[command["page"]] = page
    if command.get("relay"):
        behind_relay(page)
    page.goto(command["url"])


def behind_relay(page):
    """What the page sends goes through relays, one for each time that it is answered, which can be taken down."""
    page.relays, page.is_down = [], False

    def answer(route):
        if page.is_down:
            return route.abort("internetdisconnected")
        reply = route.fetch()
        if reply.status != 201:
            return route.fulfill(response=reply)
        relay, sdp = Relay.before(reply.text())
        page.relays.append(relay)
        route.fulfill(response=reply, body=sdp)

    page.route("**/whip/*", answer)


def set_down(page, is_down):
    """Cuts the page's network, all of it, or mends it."""
    page.is_down = is_down
    for relay in page.relays:
        relay.is_down = is_down
    page.context.set_offline(is_down)


def act(browser, pages, command):
    do = command["do"]
    if do == "open":
        return open_page(browser, pages, command)
    page = pages[command["page"]]
    match do:
        case "click":
            page.locator(command["on"]).click(timeout=5_000)
        case "fill":
            page.locator(command["on"]).fill(command["text"])
            page.locator(command["on"]).press("Enter")
        case "text":
            return page.locator(command["on"]).inner_text()
        case "evaluate":
            return page.evaluate(command["script"])
        case "reload":
            page.reload()
        case "picture":
            page.screenshot(path=command["path"])
        case "cut" | "mend":
            set_down(page, do == "cut")
        case "close":
            # As a user closes a tab: the page may say goodbye.
            page.close(run_before_unload=False)
            page.context.close()
            del pages[command["page"]]
        case _:
            raise ValueError(f"there is no command {do}")


def main():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
        pages = {}
        print(json.dumps({"ok": browser.version}), flush=True)
        for line in sys.stdin:
            try:
                answer = {"ok": act(browser, pages, json.loads(line))}
            except (Error, KeyError, ValueError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), flush=True)
        browser.close()


main()
