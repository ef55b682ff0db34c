/**
 * Files of tests that take longest, the longest first: so they begin, and nobody waits for one of them at
 * the end. They are what `test:slow` runs, and what neither `test:unit` nor `test:system` does.
 *
 * A test of a part stands here if it runs a real Fluentd or takes more than 5 s, a test of whole programs
 * if it takes more than 20 s, both on a machine with two processors and nothing else to do.
 *
 * @module
 */
export const SLOW: readonly string[] = [
  "tests/call_suite_test.ts",
  "server/fluentd/observe/evidence_test.ts",
  "tests/manager_suite_spawn_test.ts",
  "tests/call_suite_foreign_test.ts",
  "tests/fluentd_systemd_test.ts",
  "tests/manager_suite_systemd_test.ts",
  "tests/field_test.ts",
  "tests/cluster_units_test.ts",
  "server/fluentd/spawn_test.ts",
  "tests/demo_test.ts",
  "tests/reliability/liveness_test.ts",
  "server/fluentd/systemd_test.ts",
  "tests/fluentd_test.ts",
  "tests/prototype_defects_test.ts",
  "tests/self_extracting_test.ts",
  "tests/many_times_test.ts",
  "tests/fluentd_secrets_test.ts",
  "tests/reliability/calls_test.ts",
  "tests/manager_suite_variants_test.ts",
  "tests/call_suite_forwarded_test.ts",
  "tests/cert_command_test.ts",
  "tests/enroll_test.ts",
  "tests/units_test.ts",
  "tests/reliability/limits_test.ts",
  "tests/cluster_etcd_test.ts",
  "server/fluentd/observe/delivery_test.ts",
  "tests/hostile_operator_test.ts",
  "tests/reliability/clock_test.ts",
  "server/fluentd/observe/running_elsewhere_test.ts",
  "tests/cluster_process_test.ts",
  "tests/cluster_compose_test.ts",
  "tests/build_test.ts",
  "tests/fluentd_walk_test.ts",
  "shared/codec/document_test.ts",
  "scripts/run_tests/runner_test.ts",
  "shared/rules/yaml_document_test.ts",
  "server/fluentd/config/yaml_test.ts",
  "tests/reliability/handshake_test.ts",
  "server/fluentd/plugin_schemas_test.ts",
  "tests/first_change_test.ts",
  "tests/fluentd_lies_test.ts",
  "hub/own/bounds_test.ts",
  "server/files_at_start_test.ts",
  "server/fluentd/observe/buffer_files_test.ts",
  "server/fluentd/config/secrets_test.ts",
  "server/fluentd/dry_run_test.ts",
  "server/fluentd/manager/backup_dir_test.ts",
];
