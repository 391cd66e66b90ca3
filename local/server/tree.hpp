#pragma once

#include <cstdint>
#include <filesystem>

namespace nullspace::local {

// Removes a sandbox's tree, directories without permissions included. Symbolic links are removed,
// never followed. Blocks.
void remove_tree(const std::filesystem::path& root);

// Bytes that the files below take on the disk. Blocks. Never 0.
std::uint64_t measure_tree(const std::filesystem::path& root);

}  // namespace nullspace::local
