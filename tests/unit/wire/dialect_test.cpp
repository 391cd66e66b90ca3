#include "wire/dialect.hpp"

#include "tests/support/catch.hpp"

namespace nullspace::inline v0::wire {

TEST_CASE("dialect: every word of the sandbox generation") {
  const Noun& sandbox = noun(Dialect::sandbox);
  CHECK(sandbox.prefix == "/v1/sandboxes");
  CHECK(sandbox.id_key == "sandbox_id");
  CHECK(sandbox.source_id_key == "source_sandbox_id");
  CHECK(sandbox.target_id_key == "target_sandbox_id");
  CHECK(sandbox.plural == "sandboxes");
  CHECK(sandbox.name == "sandbox");
  CHECK(sandbox.id_prefix == "sb_");
}

TEST_CASE("dialect: every word of the machine generation") {
  const Noun& machine = noun(Dialect::machine);
  CHECK(machine.prefix == "/v1/machines");
  CHECK(machine.id_key == "machine_id");
  CHECK(machine.source_id_key == "source_machine_id");
  CHECK(machine.target_id_key == "target_machine_id");
  CHECK(machine.plural == "machines");
  CHECK(machine.name == "machine");
  CHECK(machine.id_prefix == "mch_");
}

TEST_CASE("dialect: codes are compared with the noun stripped") {
  CHECK(canonical_code("machine_not_found") == "sandbox_not_found");
  CHECK(canonical_code("machine_not_ready") == "sandbox_not_ready");
  CHECK(canonical_code("machine_paused_auto_resume_disabled") ==
        "sandbox_paused_auto_resume_disabled");
  CHECK(canonical_code("preview_machine_disabled") == "preview_sandbox_disabled");
  CHECK(canonical_code("sandbox_not_found") == "sandbox_not_found");
  CHECK(canonical_code("snapshot_not_found") == "snapshot_not_found");
  CHECK(canonical_code("state_machine_error") == "state_machine_error");
}

TEST_CASE("dialect: codes are written with the noun of the dialect") {
  CHECK(code_in(Dialect::machine, "sandbox_not_found") == "machine_not_found");
  CHECK(code_in(Dialect::machine, "sandbox_not_ready") == "machine_not_ready");
  CHECK(code_in(Dialect::machine, "not_found") == "not_found");
  CHECK(code_in(Dialect::sandbox, "sandbox_not_found") == "sandbox_not_found");
}

TEST_CASE("dialect: its name") {
  CHECK(dialect_from_text("sandbox") == Dialect::sandbox);
  CHECK(dialect_from_text("machine") == Dialect::machine);
  CHECK_FALSE(dialect_from_text("Sandbox"));
  CHECK_FALSE(dialect_from_text(""));
}

}  // namespace nullspace::inline v0::wire
