import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Every codec: what an idempotent producer writes is read back with keys, headers and timestamps. */
public final class Codecs {
    public static void main(String[] arguments) throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            String topic = Support.topic("codec-" + codec, 2);
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            try (var producer = Support.producer("compression.type", codec, "linger.ms", "20", "acks", "all")) {
                for (int at = 0; at < 1_000; at++) {
                    var headers = List.<org.apache.kafka.common.header.Header>of(new RecordHeader("n", new byte[] {(byte) at}));
                    sent.add(producer.send(new ProducerRecord<>(topic, at % 2, 1_700_000_000_000L + at, "key" + at, "value " + at, headers)));
                }
                for (var each : sent) each.get(30, TimeUnit.SECONDS);
            }
            var read = Support.readCommitted(topic);
            Support.same(1_000, read.size(), codec);
            for (var record : read) {
                int at = Integer.parseInt(record.key().substring(3));
                Support.same("value " + at, record.value(), codec);
                Support.same(1_700_000_000_000L + at, record.timestamp(), codec);
                Support.same((byte) at, record.headers().lastHeader("n").value()[0], codec);
            }
        }
        System.out.println("five codecs, 1000 records each");
    }
}
