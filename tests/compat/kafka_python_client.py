"""kafka-python (its own protocol code) against the broker: every codec, groups, transactions, admin."""

import threading

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic, OffsetSpec
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.structs import OffsetAndMetadata

from themes import BOOTSTRAP, CODECS, DEADLINE_S, raises, run, same, unique, until

admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def topic(name, partitions, **config):
    name = unique(name)
    admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
    return name


def send(name, values, **config):
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, acks="all", **config)
    futures = [producer.send(name, key=f"k{at % 9}".encode(), value=value.encode(), headers=[("h", b"1")]) for at, value in enumerate(values)]
    producer.flush(DEADLINE_S)
    assert all(future.get(DEADLINE_S).offset >= 0 for future in futures)
    producer.close()


def consumer(group, **config):
    return KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False, **config)


def poll(reader, into):
    for records in reader.poll(100).values():
        into.extend(records)


def read_all(name, isolation):
    reader = consumer(None, isolation_level=isolation)
    partitions = [TopicPartition(name, at) for at in reader.partitions_for_topic(name)]
    reader.assign(partitions)
    ends, seen = reader.end_offsets(partitions), []
    until(f"reading {name} to its end", lambda: all(reader.position(it) >= ends[it] for it in partitions), lambda: poll(reader, seen))
    reader.close()
    return sorted(it.value.decode() for it in seen)


def codecs():
    """none, gzip, snappy, lz4, zstd; idempotent; keys and headers come back"""
    for codec in CODECS:
        name = topic(f"kafka-python-{codec}", 3)
        values = [f"{codec} {at}" for at in range(500)]
        send(name, values, compression_type=None if codec == "none" else codec, enable_idempotence=True)
        reader = consumer(unique(codec))
        reader.subscribe([name])
        seen = []
        until(f"500 records of {codec}", lambda: len(seen) >= 500, lambda: poll(reader, seen))
        same("values", sorted(values), sorted(it.value.decode() for it in seen))
        assert all(it.headers == [("h", b"1")] or list(it.headers) == [("h", b"1")] for it in seen), seen[0].headers
        reader.commit()
        same("committed", 500, sum(reader.committed(TopicPartition(name, at)) or 0 for at in range(3)))
        reader.close()


def classic_groups():
    """range, roundrobin, sticky: two members, a rebalance on joining and on leaving"""
    for assignor in (RangePartitionAssignor, RoundRobinPartitionAssignor, StickyPartitionAssignor):
        name = topic(f"kafka-python-{assignor.name}", 4)
        send(name, [str(at) for at in range(400)])
        group = unique(f"kafka-python-{assignor.name}")
        config = {"partition_assignment_strategy": [assignor], "session_timeout_ms": 6000, "heartbeat_interval_ms": 500}
        first, second = consumer(group, **config), consumer(group, **config)
        for it in (first, second):
            it.subscribe([name])
        seen, stop = [], threading.Event()

        # A poll waits for the join, and the join for the other member: so each polls in a thread of its own.
        def poll_second(second=second, seen=seen, stop=stop):
            while not stop.is_set():
                poll(second, seen)
            second.close()

        other = threading.Thread(target=poll_second, daemon=True)
        other.start()
        until("two each", lambda: len(first.assignment()) == 2 and len(second.assignment()) == 2, lambda first=first, seen=seen: poll(first, seen))
        until("all records", lambda: len({it.value for it in seen}) == 400, lambda first=first, seen=seen: poll(first, seen))
        stop.set()
        other.join(DEADLINE_S)
        until("all four again", lambda: len(first.assignment()) == 4, lambda first=first, seen=seen: poll(first, seen))
        first.close()


def transactions():
    """commit, abort, fencing, offsets inside a transaction, read_committed"""
    name, group, identity = topic("kafka-python-transactions", 2), unique("kafka-python-eos"), unique("kafka-python-identity")
    make = lambda: KafkaProducer(bootstrap_servers=BOOTSTRAP, transactional_id=identity)  # noqa: E731
    first = make()
    first.init_transactions()
    for outcome in ("committed", "aborted"):
        first.begin_transaction()
        for at in range(50):
            first.send(name, value=f"{outcome} {at}".encode())
        first.flush(DEADLINE_S)
        if outcome == "committed":
            reader = consumer(group)
            partition = TopicPartition(name, 0)
            first.send_offsets_to_transaction({partition: OffsetAndMetadata(5, "", -1)}, group)
            same("offset before the commit", None, reader.committed(partition))
            first.commit_transaction()
            same("offset after the commit", 5, reader.committed(partition))
            reader.close()
        else:
            first.abort_transaction()
    same("committed", sorted(f"committed {at}" for at in range(50)), read_all(name, "read_committed"))
    same("with the aborted", 100, len(read_all(name, "read_uncommitted")))
    second = make()
    second.init_transactions()

    def late():
        first.begin_transaction()
        first.send(name, value=b"late").get(DEADLINE_S)
        first.commit_transaction()

    raises("Fenced", late)
    second.begin_transaction()
    second.send(name, value=b"second").get(DEADLINE_S)
    second.commit_transaction()
    assert "second" in read_all(name, "read_committed")
    second.close()


def admin_topics():
    """create, describe, partitions, configs, offsets, delete records, log dirs, cluster, features, delete"""
    name = topic("kafka-python-admin", 2, **{"retention.ms": "86400000"})
    raises("TopicAlreadyExists", lambda: admin.create_topics([NewTopic(name, 1, 1)]))
    assert name in admin.list_topics()
    admin.create_partitions({name: NewPartitions(3)})
    same("partitions", 3, len(admin.describe_topics([name])[0]["partitions"]))
    assert "86400000" in str(admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)]))
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": "1234567"})])
    assert "1234567" in str(admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)]))
    send(name, [str(at) for at in range(100)])
    partitions = [TopicPartition(name, at) for at in range(3)]
    ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
    same("records", 100, sum(it.offset for it in ends.values()))
    at = max(partitions, key=lambda it: ends[it].offset)
    admin.delete_records({at: 2})
    same("earliest", 2, admin.list_partition_offsets({at: OffsetSpec.EARLIEST})[at].offset)
    assert name in str(admin.describe_log_dirs())
    same("brokers", 1, len(admin.describe_cluster()["brokers"]))
    assert "transaction.version" in str(admin.describe_features())
    admin.delete_topics([name])
    raises("UnknownTopicOrPartition", lambda: admin.delete_topics([name]))


def admin_groups():
    """list, describe, read and alter offsets, delete"""
    name, group = topic("kafka-python-admin-groups", 1), unique("kafka-python-admin-group")
    send(name, ["a", "b"])
    reader = consumer(group)
    reader.subscribe([name])
    seen = []
    until("two records", lambda: len(seen) == 2, lambda: poll(reader, seen))
    reader.commit()
    assert group in str(admin.list_groups())
    assert name in str(admin.describe_groups([group])) or "Stable" in str(admin.describe_groups([group]))
    reader.close()
    partition = TopicPartition(name, 0)
    assert "offset=2" in str(admin.list_group_offsets({group: None}))
    admin.alter_group_offsets(group, {partition: OffsetAndMetadata(1, "", -1)})
    assert "offset=1" in str(admin.list_group_offsets({group: [partition]}))
    admin.delete_groups([group])
    assert group not in str(admin.list_groups())


run("kafka-python", codecs, classic_groups, transactions, admin_topics, admin_groups)
