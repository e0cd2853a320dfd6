// kafkajs (its own protocol code, old API versions) against the broker: every codec, groups with a rebalance, transactions, admin.
const kafkajs = require("kafkajs");
const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, AssignerProtocol, logLevel } = kafkajs;
const { isDeepStrictEqual, inspect } = require("util");

const DEADLINE_MS = 40000;
const RUN = Date.now().toString(36);
const kafka = new Kafka({ clientId: "compat", brokers: [process.env.WEIR_TEST_BOOTSTRAP], logLevel: logLevel.NOTHING, retry: { retries: 8 } });
const admin = kafka.admin();

const unique = (name) => `${name}-${RUN}`;
const same = (what, expected, found) => {
  if (!isDeepStrictEqual(expected, found)) throw new Error(`${what}: expected ${inspect(expected)}, found ${inspect(found)}`);
};
const until = async (what, holds) => {
  const end = Date.now() + DEADLINE_MS;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`${what} did not happen within ${DEADLINE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
const fails = async (type, work) => {
  try {
    await work();
  } catch (error) {
    const text = inspect(error, { depth: 4 });
    if (!text.includes(type)) throw new Error(`expected ${type}, got ${text}`);
    return;
  }
  throw new Error(`expected ${type}, but it went well`);
};

async function topic(name, numPartitions, configEntries = []) {
  await admin.createTopics({ topics: [{ topic: unique(name), numPartitions, configEntries }] });
  return unique(name);
}

async function send(topic, values, compression = CompressionTypes.None) {
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic, acks: -1, compression, messages: values.map((value, at) => ({ key: `k${at % 9}`, value, headers: { h: "1" } })) });
  await producer.disconnect();
}

// A member that keeps what it read and what it was given.
async function member(topic, groupId, options = {}) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 10000, rebalanceTimeout: 10000, heartbeatInterval: 500, maxWaitTimeInMs: 200, ...options });
  const it = { consumer, seen: [], owned: [] };
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => (it.owned = payload.memberAssignment[topic] || []));
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => {
      it.seen.push(message);
    },
  });
  return it;
}

const values = (messages) => [...new Set(messages.map((message) => message.value.toString()))].sort();

const themes = {
  codecs: [
    "none, gzip, and snappy, lz4, zstd through the packages kafkajs names for them",
    async () => {
      // kafkajs has gzip built in; the others are packages. One that can't be loaded is told, not passed over.
      const extra = {
        Snappy: () => require("kafkajs-snappy"),
        LZ4: () => new (require("kafkajs-lz4"))().codec,
        ZSTD: () => {
          const zstd = require("@mongodb-js/zstd");
          return () => ({ compress: async ({ buffer }) => zstd.compress(buffer), decompress: async (buffer) => zstd.decompress(buffer) });
        },
      };
      for (const codec of ["None", "GZIP", "Snappy", "LZ4", "ZSTD"]) {
        try {
          if (extra[codec]) CompressionCodecs[CompressionTypes[codec]] = extra[codec]();
        } catch (error) {
          console.log(`DID NOT RUN: kafkajs: codec ${codec}: ${error.message.split("\n")[0]}`);
          continue;
        }
        const name = await topic(`kafkajs-${codec}`, 2);
        const sent = Array.from({ length: 300 }, (_, at) => `${codec} ${at}`);
        await send(name, sent, CompressionTypes[codec]);
        const reader = await member(name, unique(`kafkajs-${codec}`));
        await until(`300 records of ${codec}`, () => reader.seen.length >= 300);
        same("values", [...sent].sort(), values(reader.seen));
        same("headers", true, reader.seen.every((message) => message.headers.h.toString() === "1"));
        await reader.consumer.disconnect();
      }
    },
  ],

  "classic groups": [
    "two members, a rebalance on joining and on leaving, commits",
    async () => {
      const name = await topic("kafkajs-group", 4);
      const groupId = unique("kafkajs-group");
      await send(name, Array.from({ length: 400 }, (_, at) => `${at}`));
      const first = await member(name, groupId);
      await until("one member with all", () => first.owned.length === 4);
      const second = await member(name, groupId);
      await until("two each", () => first.owned.length === 2 && second.owned.length === 2);
      same("partitions", [0, 1, 2, 3], [...first.owned, ...second.owned].sort());
      const described = (await admin.describeGroups([groupId])).groups[0];
      same("state", "Stable", described.state);
      same("members", 2, described.members.length);
      same("a member's assignment", 2, AssignerProtocol.MemberAssignment.decode(described.members[0].memberAssignment).assignment[name].length);
      await until("all records", () => values([...first.seen, ...second.seen]).length === 400);
      await second.consumer.disconnect();
      await until("one member with all again", () => first.owned.length === 4);
      await first.consumer.disconnect();
      const committed = await admin.fetchOffsets({ groupId, topics: [name] });
      same("commits", 400, committed[0].partitions.reduce((sum, it) => sum + Math.max(0, Number(it.offset)), 0));
    },
  ],

  transactions: [
    "commit, abort, fencing, offsets inside a transaction, read_committed",
    async () => {
      const name = await topic("kafkajs-transactions", 1);
      const groupId = unique("kafkajs-eos");
      const make = () => kafka.producer({ transactionalId: unique("kafkajs-identity"), maxInFlightRequests: 1, idempotent: true, retry: { retries: 2 } });
      const batch = (word) => ({ topic: name, messages: Array.from({ length: 50 }, (_, at) => ({ value: `${word} ${at}` })) });
      const first = make();
      await first.connect();
      const aborted = await first.transaction();
      await aborted.send(batch("aborted"));
      await aborted.sendOffsets({ consumerGroupId: groupId, topics: [{ topic: name, partitions: [{ partition: 0, offset: "9" }] }] });
      await aborted.abort();
      const committed = await first.transaction();
      await committed.send(batch("committed"));
      await committed.sendOffsets({ consumerGroupId: groupId, topics: [{ topic: name, partitions: [{ partition: 0, offset: "5" }] }] });
      await committed.commit();
      const offsets = await admin.fetchOffsets({ groupId, topics: [name] });
      same("the offset committed", "5", offsets[0].partitions[0].offset);
      const second = make();
      await second.connect();
      const open = await second.transaction();
      await open.send(batch("open"));
      await fails("epoch", async () => {
        const late = await first.transaction();
        await late.send(batch("late"));
        await late.commit();
      });
      const dirty = await member(name, unique("kafkajs-dirty"), { readUncommitted: true });
      await until("all for a dirty reader", () => values(dirty.seen).length >= 150);
      const clean = await member(name, unique("kafkajs-clean"));
      await until("the committed", () => clean.seen.length >= 50);
      same("the committed", values(batch("committed").messages.map((it) => ({ value: it.value }))), values(clean.seen));
      await open.commit();
      await until("the second's", () => values(clean.seen).length >= 100);
      same("no other", 100, clean.seen.length);
      for (const it of [clean.consumer, dirty.consumer, first, second]) await it.disconnect();
    },
  ],

  admin: [
    "create, partitions, configs, offsets by time, delete records, groups and their offsets, cluster, delete",
    async () => {
      const name = await topic("kafkajs-admin", 2, [{ name: "retention.ms", value: "86400000" }]);
      same("created again", false, await admin.createTopics({ topics: [{ topic: name }] }));
      same("topic listed", true, (await admin.listTopics()).includes(name));
      await admin.createPartitions({ topicPartitions: [{ topic: name, count: 3 }] });
      same("partitions", 3, (await admin.fetchTopicMetadata({ topics: [name] })).topics[0].partitions.length);
      const resource = { type: ConfigResourceTypes.TOPIC, name };
      const config = async (key) => (await admin.describeConfigs({ includeSynonyms: true, resources: [resource] })).resources[0].configEntries.find((it) => it.configName === key);
      same("retention.ms", "86400000", (await config("retention.ms")).configValue);
      await admin.alterConfigs({ resources: [{ ...resource, configEntries: [{ name: "retention.ms", value: "1234567" }] }] });
      same("retention.ms altered", "1234567", (await config("retention.ms")).configValue);
      await send(name, Array.from({ length: 90 }, (_, at) => `${at}`));
      const ends = await admin.fetchTopicOffsets(name);
      same("records", 90, ends.reduce((sum, it) => sum + Number(it.high), 0));
      const later = await admin.fetchTopicOffsetsByTimestamp(name, Date.now() + 60000);
      same("offsets after all", ends.map((it) => it.high).sort(), later.map((it) => it.offset).sort());
      const full = ends.find((it) => Number(it.high) > 2);
      await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: full.partition, offset: "2" }] });
      same("low", "2", (await admin.fetchTopicOffsets(name)).find((it) => it.partition === full.partition).low);
      const groupId = unique("kafkajs-admin");
      await admin.setOffsets({ groupId, topic: name, partitions: [{ partition: 0, offset: "3" }] });
      same("group offset", "3", (await admin.fetchOffsets({ groupId, topics: [name] }))[0].partitions.find((it) => it.partition === 0).offset);
      same("group listed", true, (await admin.listGroups()).groups.some((it) => it.groupId === groupId));
      await admin.deleteGroups([groupId]);
      same("group deleted", false, (await admin.listGroups()).groups.some((it) => it.groupId === groupId));
      const cluster = await admin.describeCluster();
      same("brokers", 1, cluster.brokers.length);
      same("controller", cluster.brokers[0].nodeId, cluster.controller);
      await admin.deleteTopics({ topics: [name] });
      // kafkajs takes this error for one to try again.
      const hasty = kafka.admin({ retry: { retries: 0 } });
      await hasty.connect();
      await fails("UNKNOWN_TOPIC_OR_PARTITION", () => hasty.deleteTopics({ topics: [name] }));
      await hasty.disconnect();
    },
  ],
};

async function main() {
  await admin.connect();
  let failed = false;
  for (const [name, [told, theme]] of Object.entries(themes)) {
    const started = Date.now();
    try {
      await theme();
      console.log(`ok: kafkajs: ${name}: ${told} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed = true;
      console.log(`FAILED: kafkajs: ${name}`);
      console.log(inspect(error));
    }
  }
  // Not through the end of the loop: a theme that failed may have left clients that keep the program.
  process.exit(failed ? 1 : 0);
}

main().catch((error) => {
  console.log(`FAILED: kafkajs: ${inspect(error)}`);
  process.exit(1);
});
