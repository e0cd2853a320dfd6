"""confluent-kafka (librdkafka) against the broker: every codec, groups of both protocols, transactions, admin."""

import time

from confluent_kafka import (
    OFFSET_BEGINNING,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    ConsumerGroupType,
    IsolationLevel,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka import Consumer as Reader
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from themes import BOOTSTRAP, CODECS, DEADLINE_S, raises, run, same, unique, until

admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def results(futures):
    return {key: future.result(DEADLINE_S) for key, future in futures.items()}


def topic(name, partitions, **config):
    name = unique(name)
    results(admin.create_topics([NewTopic(name, partitions, 1, config=config)]))
    return name


def consumer(group, **config):
    config = {key.replace("_", "."): value for key, value in config.items()}
    return Reader({"bootstrap.servers": BOOTSTRAP, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False} | config)


def producer(**config):
    return Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 5} | {key.replace("_", "."): value for key, value in config.items()})


def send(to, name, values):
    errors = []
    for at, value in enumerate(values):
        to.produce(name, key=f"k{at % 50}", value=value, headers=[("h", b"1"), ("h", b"2")], on_delivery=lambda error, _: error and errors.append(error))
    assert to.flush(DEADLINE_S) == 0 and not errors, errors[:3]


def poll(reader, into):
    message = reader.poll(0.05)
    if message is not None:
        assert message.error() is None, message.error()
        into.append(message)


def read_all(name, isolation="read_committed"):
    """All that is in a topic, read by assignment."""
    partitions = [TopicPartition(name, at, OFFSET_BEGINNING) for at in admin.list_topics(name, timeout=DEADLINE_S).topics[name].partitions]
    reader = consumer(unique("reads-all"), isolation_level=isolation, enable_partition_eof=True)
    reader.assign(partitions)
    records, ended = [], set()

    def step():
        message = reader.poll(0.1)
        if message is None:
            return
        if message.error() is None:
            records.append(message.value().decode())
        else:
            ended.add(message.partition())

    until(f"reading {name} to its end", lambda: len(ended) == len(partitions), step)
    reader.close()
    return records


def codecs():
    """none, gzip, snappy, lz4, zstd; idempotent; keys and repeated headers come back"""
    for codec in CODECS:
        name = topic(f"confluent-{codec}", 4)
        values = [f"value {at}" for at in range(2000)]
        send(producer(compression_type=codec, enable_idempotence=True), name, values)
        reader = consumer(unique(codec))
        reader.subscribe([name])
        seen = []
        until(f"2000 records of {codec}", lambda: len(seen) == 2000, lambda: poll(reader, seen))
        same("values", sorted(values), sorted(it.value().decode() for it in seen))
        assert all(it.headers() == [("h", b"1"), ("h", b"2")] for it in seen)
        order = {}
        for it in seen:
            order.setdefault(it.key(), []).append(int(it.value().split()[1]))
        assert all(numbers == sorted(numbers) for numbers in order.values()), "a key's records are out of order"
        reader.commit(asynchronous=False)
        committed = reader.committed([TopicPartition(name, at) for at in range(4)], timeout=DEADLINE_S)
        same("committed", 2000, sum(max(it.offset, 0) for it in committed))
        reader.close()


def two_members(name, group, **config):
    """Two members share four partitions, read all of them, and when one leaves the other has them all."""
    first, second = consumer(group, **config), consumer(group, **config)
    seen = []
    owned = lambda it: {at.partition for at in it.assignment()}  # noqa: E731

    def step():
        poll(first, seen)
        poll(second, seen)

    first.subscribe([name])
    until("one member with all", lambda: owned(first) == {0, 1, 2, 3}, lambda: poll(first, seen))
    second.subscribe([name])
    until("two members with two each", lambda: len(owned(first)) == 2 and len(owned(second)) == 2, step)
    same("partitions", {0, 1, 2, 3}, owned(first) | owned(second))
    until("all records", lambda: len({it.value() for it in seen}) == 400, step)
    second.close()
    until("one member with all again", lambda: owned(first) == {0, 1, 2, 3}, lambda: poll(first, seen))
    return first


def classic_groups():
    """range, roundrobin, cooperative-sticky: two members, a rebalance on joining and on leaving"""
    for assignor in ("range", "roundrobin", "cooperative-sticky"):
        name = topic(f"classic-{assignor}", 4)
        send(producer(), name, [str(at) for at in range(400)])
        group = unique(assignor)
        last = two_members(name, group, partition_assignment_strategy=assignor, session_timeout_ms=6000, heartbeat_interval_ms=500)
        described = results(admin.describe_consumer_groups([group]))[group]
        same("members", 1, len(described.members))
        same("state", ConsumerGroupState.STABLE, described.state)
        same("assignor", assignor, described.partition_assignor)
        last.close()


def static_members():
    """a static member comes back to its partitions without a rebalance; a second one of its name fences the first"""
    name, group = topic("static", 4), unique("static")
    fast = {"session_timeout_ms": 20000, "partition_assignment_strategy": "range"}
    first, second = consumer(group, group_instance_id="a", **fast), consumer(group, group_instance_id="b", **fast)
    seen = []
    for it in (first, second):
        it.subscribe([name])

    def step():
        poll(first, seen)
        poll(second, seen)

    until("two each", lambda: len(first.assignment()) == 2 and len(second.assignment()) == 2, step)
    mine = {it.partition for it in second.assignment()}
    rebalances = []
    second.close()
    second = consumer(group, group_instance_id="b", **fast)
    second.subscribe([name], on_assign=lambda _, partitions: rebalances.append({it.partition for it in partitions}))
    until("its partitions again", lambda: len(rebalances) == 1, step)
    same("partitions", mine, rebalances[0])
    same("the other member", 2, len(first.assignment()))
    third = consumer(group, group_instance_id="b", **fast)
    third.subscribe([name])
    fenced = []

    def step_fenced():
        message = second.poll(0.05)
        if message is not None and message.error() is not None:
            fenced.append(message.error())
        try:
            third.poll(0.05)
            first.poll(0.05)
        except KafkaException as error:
            fenced.append(error)

    until("the old one is fenced", lambda: fenced, step_fenced)
    assert "FENCED" in repr(fenced[0]).upper(), fenced
    for it in (first, third):
        it.close()


def consumer_groups():
    """group.protocol=consumer, assignors uniform and range: two members, a rebalance on joining and on leaving"""
    for assignor in ("uniform", "range"):
        name = topic(f"consumer-{assignor}", 4)
        send(producer(), name, [str(at) for at in range(400)])
        group = unique(f"consumer-{assignor}")
        last = two_members(name, group, group_protocol="consumer", group_remote_assignor=assignor)
        described = results(admin.describe_consumer_groups([group]))[group]
        same("type", ConsumerGroupType.CONSUMER, described.type)
        same("assignor", assignor, described.partition_assignor)
        same("members", 1, len(described.members))
        last.commit(offsets=[TopicPartition(name, 0, 7)], asynchronous=False)
        same("committed", 7, last.committed([TopicPartition(name, 0)], timeout=DEADLINE_S)[0].offset)
        last.close()


def transactions():
    """commit, abort, fencing, offsets inside a transaction, read_committed"""
    source, target, group = topic("source", 2), topic("target", 2), unique("eos")
    identity = unique("identity")
    first = producer(transactional_id=identity, transaction_timeout_ms=20000)
    first.init_transactions(DEADLINE_S)
    first.begin_transaction()
    send(first, source, [f"in {at}" for at in range(100)])
    same("open", [], read_all(source))
    first.commit_transaction(DEADLINE_S)
    first.begin_transaction()
    send(first, source, [f"aborted {at}" for at in range(100)])
    first.abort_transaction(DEADLINE_S)
    same("committed", sorted(f"in {at}" for at in range(100)), sorted(read_all(source)))
    same("with the aborted", 200, len(read_all(source, "read_uncommitted")))

    second = producer(transactional_id=identity, transaction_timeout_ms=20000)
    second.init_transactions(DEADLINE_S)

    def late():
        first.begin_transaction()
        first.produce(source, value="late")
        first.commit_transaction(DEADLINE_S)

    raises("_FENCED", late)

    # Consume, transform, produce; the first try is aborted and must leave no trace, not even an offset.
    for attempt in ("aborted", "committed"):
        reader = consumer(group, isolation_level="read_committed")
        reader.subscribe([source])
        seen = []
        until("the input", lambda: len(seen) == 100, lambda: poll(reader, seen))
        second.begin_transaction()
        send(second, target, [f"{attempt} {it.value().decode()}" for it in seen])
        second.send_offsets_to_transaction(reader.position(reader.assignment()), reader.consumer_group_metadata(), DEADLINE_S)
        if attempt == "aborted":
            second.abort_transaction(DEADLINE_S)
        else:
            second.commit_transaction(DEADLINE_S)
        reader.close()
    same("output", sorted(f"committed in {at}" for at in range(100)), sorted(read_all(target)))
    reader = consumer(group)
    committed = reader.committed([TopicPartition(source, at) for at in range(2)], timeout=DEADLINE_S)
    ends = [reader.get_watermark_offsets(TopicPartition(source, at), timeout=DEADLINE_S)[1] for at in range(2)]
    # The last offsets hold the markers of commit and abort, which a position may or may not have passed.
    assert all(0 < it.offset <= end for it, end in zip(committed, ends, strict=True)), (committed, ends)
    reader.close()
    later = consumer(group, isolation_level="read_committed")
    later.subscribe([source])
    again = []
    until("the assignment", lambda: len(later.assignment()) == 2, lambda: poll(later, again))
    for _ in range(10):
        poll(later, again)
    same("read again", [], again)
    later.close()


def admin_topics():
    """create, describe, partitions, configs (also incremental), offsets of all specs, delete records, delete"""
    name = topic("admin", 2, **{"retention.ms": "86400000"})
    raises("TOPIC_ALREADY_EXISTS", lambda: results(admin.create_topics([NewTopic(name, 1, 1)])))
    raises("INVALID", lambda: results(admin.create_topics([NewTopic(unique("three-replicas"), 1, 3)])))
    resource = ConfigResource(ResourceType.TOPIC, name)
    config = lambda: results(admin.describe_configs([resource]))[resource]  # noqa: E731
    same("retention.ms", "86400000", config()["retention.ms"].value)
    change = ConfigResource(
        ResourceType.TOPIC,
        name,
        incremental_configs=[ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND), ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE)],
    )
    results(admin.incremental_alter_configs([change]))
    same("cleanup.policy", {"compact", "delete"}, set(config()["cleanup.policy"].value.split(",")))
    same("retention.ms", "604800000", config()["retention.ms"].value)
    bent = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[ConfigEntry("retention.ms", "soon", incremental_operation=AlterConfigOpType.SET)])
    raises("INVALID_CONFIG", lambda: results(admin.incremental_alter_configs([bent])))
    results(admin.alter_configs([ConfigResource(ResourceType.TOPIC, name, set_config={"max.message.bytes": "20000"})]))
    same("cleanup.policy, after all were replaced", "delete", config()["cleanup.policy"].value)
    refused = []
    large = producer()
    large.produce(name, value=b"x" * 50_000, partition=0, on_delivery=lambda error, _: refused.append(error.name()))
    large.flush(DEADLINE_S)
    same("a record over max.message.bytes", ["MSG_SIZE_TOO_LARGE"], refused)

    results(admin.create_partitions([NewPartitions(name, 3)]))
    same("partitions", 3, len(admin.list_topics(name, timeout=DEADLINE_S).topics[name].partitions))
    described = results(admin.describe_topics(TopicCollection([name])))[name]
    same("described partitions", 3, len(described.partitions))
    broker = results({"": admin.describe_cluster()})[""]
    same("brokers", 1, len(broker.nodes))
    assert results({"": admin.describe_cluster()})[""].cluster_id

    before = int(time.time() * 1000) - 1000
    with_time = producer()
    for at in range(10):
        with_time.produce(name, value=str(at), partition=0, timestamp=before + at * 10)
    with_time.flush(DEADLINE_S)
    offset = lambda spec: results(admin.list_offsets({TopicPartition(name, 0): spec}, isolation_level=IsolationLevel.READ_COMMITTED))  # noqa: E731
    for spec, expected in ((OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 10), (OffsetSpec.max_timestamp(), 9), (OffsetSpec.for_timestamp(before + 35), 4)):
        same(f"offset of {spec}", expected, next(iter(offset(spec).values())).offset)
    deleted = results(admin.delete_records([TopicPartition(name, 0, 6)]))
    same("low watermark", 6, next(iter(deleted.values())).low_watermark)
    same("earliest", 6, next(iter(offset(OffsetSpec.earliest()).values())).offset)
    raises("OFFSET_OUT_OF_RANGE", lambda: results(admin.delete_records([TopicPartition(name, 0, 60)])))
    results(admin.delete_topics([name]))
    raises("UNKNOWN_TOPIC_OR_PART", lambda: results(admin.delete_topics([name])))


def admin_groups():
    """list, describe, read and alter offsets, delete"""
    name, group = topic("admin-groups", 2), unique("admin-group")
    send(producer(), name, [str(at) for at in range(20)])
    member = consumer(group)
    member.subscribe([name])
    seen = []
    until("twenty records", lambda: len(seen) == 20, lambda: poll(member, seen))
    member.commit(asynchronous=False)
    listed = {it.group_id: it for it in admin.list_consumer_groups().result(DEADLINE_S).valid}
    assert group in listed and not listed[group].is_simple_consumer_group, listed.get(group)
    raises("NON_EMPTY_GROUP", lambda: results(admin.delete_consumer_groups([group])))
    member.close()
    found = results(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))[group]
    same("offsets", 20, sum(it.offset for it in found.topic_partitions))
    results(admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, 3)])]))
    found = results(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0)])]))[group]
    same("altered", 3, found.topic_partitions[0].offset)
    results(admin.delete_consumer_groups([group]))
    assert group not in {it.group_id for it in admin.list_consumer_groups().result(DEADLINE_S).valid}
    raises("GROUP_ID_NOT_FOUND", lambda: results(admin.delete_consumer_groups([group])))


run("confluent-kafka", codecs, classic_groups, static_members, consumer_groups, transactions, admin_topics, admin_groups)
