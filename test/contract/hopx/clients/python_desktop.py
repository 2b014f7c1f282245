"""Everything that the Python library offers for the desktop. Run by desktop.test.ts; fails by raising."""

import struct
import sys
import time

from hopx_ai import Sandbox

url, sandbox_id, key, form, told = sys.argv[1:6]
sandbox = Sandbox.connect(sandbox_id, api_key=key, base_url=url)
desktop = sandbox.desktop


def check(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def until(fact):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        value = fact()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("never true")


def lines():
    try:
        with open(told, encoding="utf-8") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def letter():
    try:
        with open(told + ".text", encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def png_size(data):
    check(data[:8], b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", data[16:24])


# VNC
info = desktop.start_vnc(password="secret12")
assert info.url.startswith("vnc://127.0.0.1:"), info
check((info.running, info.password), (True, "secret12"))
assert isinstance(info.display, int) and info.port > 0, info
status = desktop.get_vnc_status()
check((status.display, status.port, desktop.get_vnc_url()), (info.display, info.port, info.url))

# Display
display = desktop.get_display()
check((display.width, display.height, display.depth), (1280, 800, 24))
assert (1920, 1080) in desktop.get_available_resolutions()
changed = desktop.set_resolution(1024, 768)
check((changed.width, changed.height), (1024, 768))
check(png_size(desktop.screenshot()), (1024, 768))
desktop.set_resolution(1280, 800)

# A program that a command leaves behind finds the display, as the vendor's tests start one.
sandbox.commands.run(f"nohup /usr/bin/python3 {form} {told} --focus-text > /dev/null 2>&1 &")
window = until(lambda: next((one for one in desktop.get_windows() if one.title == "Form"), None))
until(lambda: "ready" in lines())
desktop.focus_window(window.id)
assert window.pid and window.width > 400, window

# Recording
recording = desktop.start_recording(fps=10, format="mp4", quality="low")
check(recording.status.value, "recording")

# Keyboard
desktop.type("Grüße, 世界 🎉 ", delay_ms=1)
until(lambda: letter() == "Grüße, 世界 🎉 ")
desktop.press("Return")
until(lambda: letter().endswith("\n"))
desktop.combination(["ctrl"], "a")
desktop.press("Delete")
until(lambda: letter() == "")

# Clipboard, into the form and out of it
desktop.set_clipboard("pasted ✓")
check(desktop.get_clipboard(), "pasted ✓")
desktop.hotkey(["ctrl"], "v")
until(lambda: letter() == "pasted ✓")
desktop.hotkey(["ctrl"], "a")
desktop.type("copied")
until(lambda: letter() == "copied")
desktop.hotkey(["ctrl"], "a")
desktop.hotkey(["ctrl"], "c")
until(lambda: desktop.get_clipboard() == "copied")
until(lambda: desktop.get_clipboard_history()[:2] == ["copied", "pasted ✓"])

# Text on the screen, and clicks where it is
bounds = desktop.get_bounds("Save it")
desktop.click(bounds["x"] + bounds["width"] // 2, bounds["y"] + bounds["height"] // 2)
until(lambda: any(line.startswith("saved") for line in lines()))
element = desktop.find_element("Remember me")
desktop.click(element["x"] + 10, element["y"] + element["height"] // 2, clicks=1)
until(lambda: "remember True" in lines())
check(desktop.find_element("no such words on it"), None)
assert desktop.wait_for("Your name please", timeout=20)["width"] > 0
assert "name" in desktop.ocr(window.x, window.y, window.width, 120).lower()

# Mouse
desktop.move(300, 400)
desktop.scroll(3, "down")
desktop.scroll(1, "left")
place = next(one for one in desktop.get_windows() if one.title == "Form")
desktop.drag(place.x + 200, place.y + 8, place.x + 100, place.y + 58)
moved = until(lambda: next((one for one in desktop.get_windows() if one.title == "Form" and one.x < place.x), None))
desktop.drag_drop(moved.x + 200, moved.y + 8, moved.x + 300, moved.y + 8)
until(lambda: next(one for one in desktop.get_windows() if one.title == "Form").x > moved.x)

# Pictures
check(png_size(desktop.screenshot()), (1280, 800))
check(png_size(desktop.screenshot_region(10, 20, 300, 200)), (300, 200))
now = next(one for one in desktop.get_windows() if one.title == "Form")
check(png_size(desktop.capture_window(str(now.id))), (now.width, now.height))
check(png_size(desktop.capture_window()), (now.width, now.height))

# Windows
desktop.resize_window(now.id, 600, 450)
until(lambda: next(one for one in desktop.get_windows() if one.title == "Form").width == 600)
desktop.minimize_window(now.id)
desktop.close_window(now.id)
until(lambda: all(one.title != "Form" for one in desktop.get_windows()))

# The film of all this
check(desktop.get_recording_status(recording.recording_id).status.value, "recording")
stopped = desktop.stop_recording(recording.recording_id)
check((stopped.status.value, stopped.format.value), ("stopped", "mp4"))
assert stopped.duration > 1 and stopped.file_size > 1000, stopped
check(desktop.get_recording_status(recording.recording_id).status.value, "stopped")
film = desktop.download_recording(recording.recording_id)
check((len(film), film[4:8]), (stopped.file_size, b"ftyp"))

# Debug
assert any("ready" in line for line in desktop.get_debug_logs())
assert any(one["name"] == "Xvnc" and one["pid"] > 0 for one in desktop.get_debug_processes())

desktop.stop_vnc()
check(desktop.get_vnc_url(), "")
print("ok")
