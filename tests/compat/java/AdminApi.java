import java.util.*;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.quota.*;

/** The admin client: topics, configs, records, groups, offsets, and what the cluster says of itself. */
public final class AdminApi {
    public static void main(String[] arguments) throws Exception {
        try (Admin admin = Support.admin()) {
            topics(admin);
            configs(admin);
            records(admin);
            groups(admin);
            cluster(admin);
        }
        System.out.println("topics, configs, records, groups, cluster");
    }

    private static void topics(Admin admin) throws Exception {
        String topic = Support.topic("admin-topics", 2);
        Support.fails(TopicExistsException.class, () -> admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get());
        Support.fails(InvalidReplicationFactorException.class, () -> admin.createTopics(List.of(new NewTopic(topic + "x", 1, (short) 3))).all().get());
        var description = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
        Support.same(2, description.partitions().size(), "partitions");
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get();
        Support.same(4, admin.describeTopics(TopicCollection.ofTopicIds(List.of(description.topicId()))).allTopicIds().get().get(description.topicId()).partitions().size(), "partitions by id");
        Support.fails(InvalidPartitionsException.class, () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get());
        Support.check(admin.listTopics().names().get().contains(topic), "listed");
        admin.deleteTopics(List.of(topic)).all().get();
        Support.fails(UnknownTopicOrPartitionException.class, () -> admin.describeTopics(List.of(topic)).allTopicNames().get());
    }

    private static void configs(Admin admin) throws Exception {
        String topic = Support.topic("admin-configs", 1);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(
            new AlterConfigOp(new ConfigEntry("retention.ms", "60000"), AlterConfigOp.OpType.SET),
            new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND)))).all().get();
        Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        Support.same("60000", config.get("retention.ms").value(), "retention.ms");
        Support.same(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, config.get("retention.ms").source(), "its source");
        Support.same(Set.of("delete", "compact"), Set.of(config.get("cleanup.policy").value().split(",")), "cleanup.policy");
        admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", null), AlterConfigOp.OpType.DELETE)))).all().get();
        Support.same("604800000", admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms").value(), "the default");
        Support.fails(ApiException.class, () -> admin.incrementalAlterConfigs(Map.of(resource, List.of(
            new AlterConfigOp(new ConfigEntry("retention.ms", "soon"), AlterConfigOp.OpType.SET)))).all().get());
        String node = admin.describeCluster().controller().get().idString();
        Support.check(!admin.describeConfigs(List.of(new ConfigResource(ConfigResource.Type.BROKER, node))).all().get().isEmpty(), "the broker's configs");
    }

    private static void records(Admin admin) throws Exception {
        String topic = Support.topic("admin-records", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (var producer = Support.producer()) {
            for (int at = 0; at < 100; at++) producer.send(new ProducerRecord<>(topic, 0, 1_000_000_000_000L + at * 1_000, "k", "v" + at));
        }
        admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(40))).all().get();
        Map<OffsetSpec, Long> expected = Map.of(OffsetSpec.earliest(), 40L, OffsetSpec.latest(), 100L, OffsetSpec.maxTimestamp(), 99L, OffsetSpec.forTimestamp(1_000_000_050_000L), 50L);
        for (var each : expected.entrySet()) {
            Support.same(each.getValue(), admin.listOffsets(Map.of(partition, each.getKey())).partitionResult(partition).get().offset(), each.getKey().getClass().getSimpleName());
        }
        int node = admin.describeCluster().controller().get().id();
        var dirs = admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node).values();
        Support.check(dirs.stream().anyMatch(dir -> dir.replicaInfos().containsKey(partition) && dir.replicaInfos().get(partition).size() > 0), "its size on disk");
    }

    private static void groups(Admin admin) throws Exception {
        String topic = Support.topic("admin-groups", 1), group = Support.unique("admin-groups");
        TopicPartition partition = new TopicPartition(topic, 0);
        admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(0, "by hand"))).all().get();
        Support.same("by hand", admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(partition).metadata(), "its metadata");
        Support.check(admin.listGroups().all().get().stream().anyMatch(listed -> listed.groupId().equals(group)), "listed");
        try (var consumer = Support.consumer("group.id", group)) {
            consumer.subscribe(List.of(topic));
            Support.until("a member", () -> !consumer.assignment().isEmpty(), () -> consumer.poll(java.time.Duration.ofMillis(100)));
            var description = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            Support.same(Set.of(partition), description.members().iterator().next().assignment().topicPartitions(), "the assignment");
            Support.fails(GroupNotEmptyException.class, () -> admin.deleteConsumerGroups(List.of(group)).all().get());
        }
        admin.deleteConsumerGroupOffsets(group, Set.of(partition)).all().get();
        Support.same(null, admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(partition), "no offset is left");
        admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(0))).all().get();
        admin.deleteConsumerGroups(List.of(group)).all().get();
        Support.fails(GroupIdNotFoundException.class, () -> admin.deleteConsumerGroups(List.of(group)).all().get());
    }

    private static void cluster(Admin admin) throws Exception {
        Support.same(1, admin.describeCluster().nodes().get().size(), "nodes");
        Support.check(admin.describeCluster().clusterId().get() != null, "a cluster id");
        Support.check(admin.describeFeatures().featureMetadata().get().finalizedFeatures().containsKey("transaction.version"), "features");
        Support.same(1, admin.describeMetadataQuorum().quorumInfo().get().voters().size(), "voters");
        Support.check(admin.listPartitionReassignments().reassignments().get().isEmpty(), "nothing moves");
        var entity = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, Support.unique("quota")));
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1e9))))).all().get();
        Support.same(1e9, admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get().get(entity).get("producer_byte_rate"), "the quota");
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", null))))).all().get();
    }
}
