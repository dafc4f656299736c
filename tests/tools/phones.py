"""Phones that stream to a running Seseragi: phones.py URL [--picture PNG] [--secs SECS] NAME=MICROPHONE.wav...

Each is a Chromium of its own whose microphone plays a file (s16, 48 kHz) in a loop. After SECS, the first one's page is saved as
PNG; then all stay until the standard input ends.
"""
import argparse
import sys
import time

from playwright.sync_api import sync_playwright


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("phones", nargs="+", metavar="NAME=MICROPHONE.wav")
    parser.add_argument("--picture", metavar="PNG")
    parser.add_argument("--secs", type=float, default=15.0)
    parser.add_argument("--locale", default="ja-JP")
    return parser.parse_args()


def join(playwright, args, name, microphone):
    browser = playwright.chromium.launch(
        executable_path="/usr/bin/chromium",
        args=[
            "--no-sandbox",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}",
            "--allow-loopback-in-peer-connection",
            "--autoplay-policy=no-user-gesture-required",
        ],
    )
    context = browser.new_context(
        viewport={"width": 390, "height": 844},
        device_scale_factor=2,
        locale=args.locale,
        permissions=["microphone"],
        ignore_https_errors=True,
    )
    page = context.new_page()
    page.goto(args.url)
    page.fill("#name", name)
    page.press("#name", "Enter")
    page.click("#start")
    page.wait_for_selector("body[data-phase=connected]", timeout=20_000)
    return page


def main():
    args = arguments()
    with sync_playwright() as playwright:
        pages = [join(playwright, args, *phone.split("=", 1)) for phone in args.phones]
        print("connected", flush=True)
        end = time.monotonic() + args.secs
        while time.monotonic() < end:
            # Keeps the browsers' own clocks turning.
            pages[0].wait_for_timeout(200)
        if args.picture:
            pages[0].evaluate("window.scrollTo(0, 0)")
            pages[0].screenshot(path=args.picture)
        print("seen", flush=True)
        sys.stdin.read()


main()
