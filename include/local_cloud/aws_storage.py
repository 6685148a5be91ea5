"""S3, SNS, SQS and STS on localhost: moto's server inside this process, with a state that survives its end."""

from __future__ import annotations

import logging
import socket
import threading
from pathlib import Path
from typing import Any, Literal

import requests
from moto.core.base_backend import BackendDict
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from moto.sns.models import sns_backends
from werkzeug.serving import BaseWSGIServer, make_server

from include.local_cloud.aws_messaging_calls import MessagingCalls
from include.local_cloud.aws_storage_catalog import AwsStorageError, Catalog
from include.local_cloud.aws_storage_messaging import MessagingKeeper
from include.local_cloud.aws_storage_objects import ACCOUNT_ID, ObjectKeeper
from include.local_cloud.aws_storage_wsgi import Application, KeepingApplication
from include.local_cloud.trouble import Trouble

__all__ = ["ACCOUNT_ID", "AwsStorage", "AwsStorageError"]

logger = logging.getLogger(__name__)

_SERVICES: tuple[Literal["s3", "sns", "sqs", "sts"], ...] = ("s3", "sns", "sqs", "sts")
# Moto's state is global to the process.
_running = threading.Lock()


class AwsStorage:
    """The AWS services that surround speech, on one port.

    Every change is on disk before its answer leaves, so buckets and their settings, objects, topics, subscriptions
    and queues survive ``kill -9``. Not kept: access control lists of objects, uploads that were not completed and
    messages waiting in queues.

    :param host: address to listen on
    :param port: port to listen on; 0 picks a free one
    :param state: folder that this object alone uses; created if absent
    :param trouble: told when the disk cannot be written; one of its own when ``None``
    :param messaging: counts the calls of SNS and SQS, and refuses those that were ordered to fail; nothing does when
        ``None``
    """

    endpoint_url: str

    def __init__(
        self,
        *,
        host: str,
        port: int,
        state: Path,
        trouble: Trouble | None = None,
        messaging: MessagingCalls | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._state = state
        self._trouble = trouble or Trouble()
        self._messaging_calls = messaging
        self._catalog: Catalog | None = None
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self.endpoint_url = f"http://{host}:{port}"

    def start(self) -> None:
        """Load the state and begin to answer.

        :raises AwsStorageError: if the port is taken, the state folder is unusable or in use, or another storage
            runs in this process
        """
        if not _running.acquire(blocking=False):
            raise AwsStorageError("This process already runs a local S3. Stop that one first.")
        try:
            listener = self._listen()
            with listener:
                self._load()
                self._serve(listener)
        except BaseException:
            self._release()
            raise

    def stop(self) -> None:
        """Stop answering and let go of the state. Stopping twice does no harm."""
        if self._server is None:
            return
        self._server.shutdown()
        if self._thread is not None:
            self._thread.join()
        self._server = self._thread = None
        with self._application.turn:
            self._release()

    def ensure_bucket(self, name: str, region: str = "us-east-1") -> None:
        """Create a bucket unless it exists, in whatever region."""
        with self._application.turn:
            if self.bucket_region(name) is None:
                self._objects.backend_of(region).create_bucket(name, region)
                self._objects.keep_bucket(name)

    def bucket_region(self, name: str) -> str | None:
        """The region of a bucket, ``None`` if there is no such bucket."""
        bucket = self._objects.bucket(name)
        return None if bucket is None else bucket.region_name

    def put_object(self, *, bucket: str, key: str, body: bytes, content_type: str) -> None:
        """Store an object, as an AWS service does for its customer.

        :raises AwsStorageError: if there is no such bucket
        """
        with self._application.turn:
            region = self.bucket_region(bucket)
            if region is None:
                raise AwsStorageError(f"There is no bucket {bucket!r} in the local S3. Create it first.")
            stored = self._objects.backend_of(region).put_object(bucket, key, body)
            stored.set_metadata({"Content-Type": content_type})
            self._objects.keep_object(bucket_name=bucket, key_name=key)

    def topic_exists(self, arn: str) -> bool:
        """Whether an SNS topic has this ARN."""
        parts = arn.split(":")
        return len(parts) == 6 and parts[2] == "sns" and arn in sns_backends[ACCOUNT_ID][parts[3]].topics

    def publish(self, *, topic_arn: str, message: str, subject: str | None = None, fifo_id: str | None = None) -> None:
        """Publish a message to a topic's subscribers. A subscriber that cannot be reached is logged, as with SNS.

        :param fifo_id: the message's group and deduplication id, used when the topic is a FIFO topic
        :raises AwsStorageError: if there is no such topic
        """
        if not self.topic_exists(topic_arn):
            raise AwsStorageError(f"There is no topic {topic_arn} in the local SNS. Create it first.")
        backend = sns_backends[ACCOUNT_ID][topic_arn.split(":")[3]]
        # Moto refuses both for any other topic, as SNS does for the second.
        order = fifo_id if topic_arn.endswith(".fifo") else None
        try:
            backend.publish(message=message, arn=topic_arn, subject=subject, group_id=order, deduplication_id=order)
        except requests.RequestException as error:
            logger.warning("A subscriber of %s did not take a message: %s", topic_arn, error)

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._host, self._port))
            listener.listen(128)
        except OSError as error:
            listener.close()
            raise AwsStorageError(
                f"The local S3 cannot listen on {self._host}:{self._port} ({error.strerror}). "
                "Stop what uses that port, or set LOCAL_CLOUD_S3_PORT to another one."
            ) from error
        return listener

    def _load(self) -> None:
        BackendDict.reset()
        self._catalog = Catalog(self._state)
        self._objects = ObjectKeeper(self._catalog)
        messaging = MessagingKeeper(self._catalog)
        # Moto's own dispatcher spends as long on finding the service of a request as on answering it.
        applications: dict[str, Application] = {service: create_backend_app(service) for service in _SERVICES}
        self._application = KeepingApplication(
            applications,
            catalog=self._catalog,
            objects=self._objects,
            messaging=messaging,
            trouble=self._trouble,
            calls=self._messaging_calls,
        )
        self._objects.load()
        messaging.load()
        self._application.make_settings()

    def _serve(self, listener: socket.socket) -> None:
        self._server = make_server(
            self._host,
            self._port,
            self._application,
            threaded=True,
            request_handler=_QuietRequestHandler,
            fd=listener.fileno(),
        )
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.endpoint_url = f"http://{host}:{self._server.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="local-s3", daemon=True
        )
        self._thread.start()

    def _release(self) -> None:
        if self._catalog is not None:
            self._catalog.close()
            self._catalog = None
        BackendDict.reset()
        _running.release()


class _QuietRequestHandler(MotoRequestHandler):
    """Moto's request handler without a line on the terminal for each request."""

    def log(self, type: str, message: str, *args: Any) -> None:
        logger.debug(message, *args)
