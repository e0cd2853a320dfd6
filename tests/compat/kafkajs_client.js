// kafkajs (its own protocol code, old API versions) against the broker: admin, produce, gzip, groups with a rebalance, offsets.
const { Kafka, CompressionTypes, logLevel } = require("kafkajs");

const kafka = new Kafka({ clientId: "compat", brokers: [process.env.WEIR_TEST_BOOTSTRAP], logLevel: logLevel.ERROR });
const topic = "kafkajs";
const expect = (what, wanted, got) => {
  if (JSON.stringify(wanted) !== JSON.stringify(got)) throw new Error(`${what}: wanted ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`);
};

async function main() {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] });
  expect("topic listed", true, (await admin.listTopics()).includes(topic));

  const producer = kafka.producer();
  await producer.connect();
  const messages = (from) => Array.from({ length: 200 }, (_, at) => ({ key: `k${at}`, value: `v${from + at}`, headers: { h: "1" } }));
  await producer.send({ topic, messages: messages(0) });
  await producer.send({ topic, compression: CompressionTypes.GZIP, messages: messages(200) });
  await producer.disconnect();

  const seen = new Set();
  const groupId = "kafkajs-group";
  const member = () => kafka.consumer({ groupId, sessionTimeout: 10000, rebalanceTimeout: 10000 });
  const consumers = [member(), member()];
  const joined = consumers.map((consumer) => new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve)));
  let done;
  const all = new Promise((resolve) => (done = resolve));
  for (const consumer of consumers) {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => {
        seen.add(message.value.toString());
        if (seen.size === 400) done();
      },
    });
  }
  await Promise.all(joined);
  await all;
  const described = await admin.describeGroups([groupId]);
  expect("members", true, described.groups[0].members.length >= 1);
  for (const consumer of consumers) await consumer.disconnect();
  const ends = await admin.fetchTopicOffsets(topic);
  expect("records", 400, ends.reduce((sum, it) => sum + Number(it.high), 0));
  const committed = await admin.fetchOffsets({ groupId, topics: [topic] });
  expect("commits", 400, committed[0].partitions.reduce((sum, it) => sum + Math.max(0, Number(it.offset)), 0));
  await admin.deleteGroups([groupId]);
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
  console.log("admin, produce, gzip, group of two, commits, offsets");
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
