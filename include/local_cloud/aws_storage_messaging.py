"""Moto's SNS topics and subscriptions and SQS queues, to the catalog and back."""

from __future__ import annotations

import json
from typing import Any

from moto.sns.models import Subscription, Topic, sns_backends
from moto.sqs.models import Queue, sqs_backends

from include.local_cloud.aws_storage_catalog import Catalog
from include.local_cloud.aws_storage_objects import ACCOUNT_ID

_TOPIC_RUNTIME = frozenset({"name", "sns_backend", "account_id", "arn", "sent_notifications"})
_QUEUE_RUNTIME = frozenset(
    {
        "_name",
        "region",
        "account_id",
        "queue_arn",
        "dead_letter_queue",
        "last_purged_at",
        "lambda_event_source_mappings",
    }
)
_QUEUE_MESSAGES = frozenset({"_messages", "_pending_messages", "deleted_messages", "_messages_lock"})


class MessagingKeeper:
    """Copies topics, subscriptions and queues to the catalog when they changed, and back at the start.

    Messages that wait in a queue are not kept.

    :param catalog: where the state is kept
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._kept = ""

    def keep(self) -> None:
        """Record all topics, subscriptions and queues, if anything about them changed."""
        records = [*_topics(), *_subscriptions(), *_queues()]
        state = json.dumps(records, sort_keys=True)
        if state != self._kept:
            self._catalog.keep_messaging(records)
            self._kept = state

    def load(self) -> None:
        """Fill moto's empty SNS and SQS from the catalog."""
        for arn, details in self._catalog.messaging("queue"):
            region, name = _region_and_name(arn)
            queue = Queue(name, region=region, account_id=ACCOUNT_ID)  # type: ignore[abstract]
            queue.__dict__.update(details)
            sqs_backends[ACCOUNT_ID][region].queues[name] = queue
        # Only now does every dead letter queue exist.
        for arn, details in self._catalog.messaging("queue"):
            region, name = _region_and_name(arn)
            if details.get("redrive_policy"):
                sqs_backends[ACCOUNT_ID][region].queues[name]._setup_dlq(details["redrive_policy"])
        for arn, details in self._catalog.messaging("topic"):
            region, name = _region_and_name(arn)
            backend = sns_backends[ACCOUNT_ID][region]
            topic = Topic(name, backend)  # type: ignore[abstract]
            topic.__dict__.update(details)
            backend.topics[arn] = topic
        for arn, details in self._catalog.messaging("subscription"):
            backend = sns_backends[ACCOUNT_ID][arn.split(":")[3]]
            topic = backend.topics[details["topic"]]
            subscription = Subscription(ACCOUNT_ID, topic, details["endpoint"], details["protocol"])
            subscription.arn = arn
            subscription.attributes = details["attributes"]
            subscription.confirmed = details["confirmed"]
            backend.subscriptions[arn] = subscription
            if filter_policy := details["attributes"].get("FilterPolicy"):
                backend.set_subscription_attributes(arn, "FilterPolicy", filter_policy)
        self._kept = json.dumps([*_topics(), *_subscriptions(), *_queues()], sort_keys=True)


def _topics() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        ("topic", topic.arn, {name: value for name, value in vars(topic).items() if name not in _TOPIC_RUNTIME})
        for backend in list(sns_backends[ACCOUNT_ID].values())
        for topic in list(backend.topics.values())
    ]


def _subscriptions() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (
            "subscription",
            subscription.arn,
            {
                "topic": subscription.topic.arn,
                "endpoint": subscription.endpoint,
                "protocol": subscription.protocol,
                "attributes": subscription.attributes,
                "confirmed": subscription.confirmed,
            },
        )
        for backend in list(sns_backends[ACCOUNT_ID].values())
        for subscription in list(backend.subscriptions.values())
    ]


def _queues() -> list[tuple[str, str, dict[str, Any]]]:
    left_out = _QUEUE_RUNTIME | _QUEUE_MESSAGES
    return [
        ("queue", queue.queue_arn, {name: value for name, value in vars(queue).items() if name not in left_out})
        for backend in list(sqs_backends[ACCOUNT_ID].values())
        for queue in list(backend.queues.values())
    ]


def _region_and_name(arn: str) -> tuple[str, str]:
    parts = arn.split(":")
    return parts[3], parts[5]
