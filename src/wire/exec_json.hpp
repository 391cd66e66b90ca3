// What is to be run, from and to JSON: REST bodies and exec_start have the same members.
#pragma once

#include <string_view>

#include <nullspace/sandbox_info.hpp>

#include "wire/exec_messages.hpp"
#include "wire/json.hpp"

namespace nullspace::inline v0::wire {

// Refuses what validate() refuses. `background` is not read.
[[nodiscard]] ExecRequest read_exec_request(ObjectReader& reader);

// Variables that a process can have.
[[nodiscard]] EnvMap read_envs(ObjectReader& reader, std::string_view key);
// "" when absent; else an absolute path without NUL.
[[nodiscard]] std::string read_directory(ObjectReader& reader, std::string_view key);

// What is wrong with the names or values, "" for nothing.
[[nodiscard]] std::string_view problem_of(const EnvMap& envs) noexcept;

// The members that are left out when they are empty.
void write_directory_and_envs(JsonWriter& writer, std::string_view cwd, const EnvMap& envs);

}  // namespace nullspace::inline v0::wire
