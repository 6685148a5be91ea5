"""``python -m include.local_cloud``: the local cloud until it is told to stop."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading

_SETTINGS = """\
settings (environment):
  LOCAL_CLOUD_SPEECH_PORT    port of Polly, Azure Speech and /_local (8600)
  LOCAL_CLOUD_S3_PORT        port of S3, SNS, SQS and STS (8601)
  LOCAL_CLOUD_PRESET         fast, or documented: the real quotas, and realistic waits (fast)
  LOCAL_CLOUD_STATE          folder that survives a restart (.narration/local_cloud)
  LOCAL_CLOUD_HOST           address to listen on; loopback unless told otherwise (127.0.0.1)
  LOCAL_CLOUD_POLLY_READINGS where the vendor is silent, e.g. missing_bucket=fail_task,list_order=newest_first
  LOCAL_CLOUD_AZURE_READINGS likewise, e.g. preview_unknown_job=404,batch_repeated_put=conflict

exit status: 0 stopped by SIGINT or SIGTERM, 1 went down by itself, 2 could not start
"""


def main() -> int:
    """Returns the exit status. Imports late: every speech process loads this module too."""
    parser = argparse.ArgumentParser(
        prog="python -m include.local_cloud",
        description="Polly, Azure Speech, S3, SNS and SQS on localhost: same wire, real audio, same limits.",
        epilog=_SETTINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--verbose", action="store_true", help="log every call (never texts or credentials)")
    arguments = parser.parse_args()

    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("include.local_cloud").setLevel(logging.DEBUG if arguments.verbose else logging.INFO)

    from include.local_cloud.listening import CloudError, listen
    from include.local_cloud.settings import Settings, SettingsError
    from include.local_cloud.state import StateError

    try:
        settings = Settings.from_environment(os.environ)
        # Before the seconds that the rest takes to load: most starts that fail, fail here.
        listen(settings.host, settings.speech_port, setting="LOCAL_CLOUD_SPEECH_PORT").close()
        listen(settings.host, settings.s3_port, setting="LOCAL_CLOUD_S3_PORT").close()
        from include.local_cloud.server import LocalCloud

        cloud = LocalCloud(
            preset=settings.preset,
            state=settings.state,
            host=settings.host,
            speech_port=settings.speech_port,
            s3_port=settings.s3_port,
            readings=settings.readings,
            azure_readings=settings.azure_readings,
        )
        cloud.start()
    except (SettingsError, CloudError, StateError) as error:
        print(f"The local cloud did not start: {error}", file=sys.stderr)
        return 2
    print(
        f"Local cloud ({settings.preset.name}): Polly {cloud.speech_url}, S3 {cloud.s3_url}, state {settings.state}",
        flush=True,
    )
    # A signal may arrive in any thread's turn; waiting in steps lets the handler run at once.
    while cloud.running and not stopping.wait(0.5):
        pass
    if not stopping.is_set():
        print("The local cloud went down; its log above says why. Start it again: its jobs go on.", file=sys.stderr)
    cloud.stop()
    return 0 if stopping.is_set() else 1


if __name__ == "__main__":
    sys.exit(main())
