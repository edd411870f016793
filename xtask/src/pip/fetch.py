"""fetch.py PART PROJECT FILE [pip download OPTIONS]

Brings the wheel FILE into PART and goes on from what PART already holds. It looks the file up and reads it over
pip's own session, so that index, mirror, proxy, certificates and credentials are those the user has given to pip.
Prints `total N` and `at N`. Exit codes: 0 whole; 10 the transfer broke; 11 the index was not reached or does not list
the file; 12 this pip is built differently; 13 PART cannot be written. The last line of stderr is
the reason, for 13 the number of the system's error.
"""

import fcntl
import logging
import os
import re
import sys

BROKEN, ABSENT, OTHER_PIP, UNWRITABLE = 10, 11, 12, 13
part, project, wheel = sys.argv[1:4]


def leave(code, reason=""):
    print(" ".join(str(reason).split()), file=sys.stderr)
    sys.exit(code)


def say(word, number):
    """Also ends this process when its parent is gone: the pipe is then broken."""
    print(word, number, flush=True)


class Heard(logging.Handler):
    """Keeps what pip says about pages that it could not read, in place of printing it."""

    def __init__(self):
        super().__init__()
        self.text = ""

    def emit(self, record):
        self.text += record.getMessage() + "\n"

    def reason(self):
        known = r"\[Errno[^\]]*\][^'\"()]*|\d{3} (?:Client|Server) Error: \w+|timed out|certificate verify failed"
        errors = re.findall(known, self.text)
        if errors:
            return "pip cannot reach its index (%s)" % errors[-1].strip()
        if "Could not fetch URL" in self.text:
            return "pip cannot reach its index"
        return "pip's index does not list %s" % wheel


def pip_session():
    """pip's download command, its session and what the index lists, or the news that this pip is built differently."""
    try:
        from pip._internal.cli.cmdoptions import make_target_python
        from pip._internal.commands.download import DownloadCommand

        command = DownloadCommand("download", "")
        options, _ = command.parse_args(sys.argv[4:] + ["--no-cache-dir", "--no-input", project])
        context = command.main_context()
        context.__enter__()
        session = command.get_default_session(options)
        target = make_target_python(options)
        finder = command._build_package_finder(options=options, session=session, target_python=target)
        links = [candidate.link for candidate in finder.find_all_candidates(project)]
    except (ImportError, AttributeError, TypeError) as error:
        leave(OTHER_PIP, error)
    return context, session, links


def chunks(session, link, have):
    """What PART lacks, and from which byte on."""
    if link.is_file:
        source = open(link.file_path, "rb")
        source.seek(have)
        return have, os.path.getsize(link.file_path), iter(lambda: source.read(1 << 20), b"")
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = "bytes=%d-" % have
    response = session.get(link.url_without_fragment, headers=headers, stream=True)
    if response.status_code == 416:
        return have, have, iter(())
    response.raise_for_status()
    if response.status_code != 206:
        have = 0
    total = have + int(response.headers.get("Content-Length", 0))
    return have, total, response.raw.stream(1 << 18, decode_content=False)


def transfer(session, link, out):
    have = os.fstat(out.fileno()).st_size
    try:
        have, total, pieces = chunks(session, link, have)
        out.truncate(have)
        say("total", total)
        for piece in pieces:
            append(out, piece)
            have += len(piece)
            say("at", have)
    except BrokenPipeError:
        os._exit(BROKEN)
    except Exception as error:
        leave(BROKEN, error)
    if have < total:
        leave(BROKEN, "the connection closed at byte %d of %d" % (have, total))


def append(out, piece):
    try:
        out.write(piece)
        out.flush()
    except OSError as error:
        leave(UNWRITABLE, error.errno)


def main():
    heard = Heard()
    logging.getLogger().addHandler(heard)
    logging.getLogger().setLevel(logging.INFO)
    try:
        out = open(part, "ab")
        fcntl.flock(out, fcntl.LOCK_EX)
    except OSError as error:
        leave(UNWRITABLE, error.errno)
    # The context closes the session when it is collected: hold it.
    context, session, links = pip_session()
    for link in links:
        if link.filename == wheel:
            return transfer(session, link, out)
    leave(ABSENT, heard.reason())


try:
    main()
except KeyboardInterrupt:
    os._exit(BROKEN)
