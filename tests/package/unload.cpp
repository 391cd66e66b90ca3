#include <dlfcn.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

namespace {

std::size_t entries(const char* directory) {
  using Iterator = std::filesystem::directory_iterator;
  return static_cast<std::size_t>(std::distance(Iterator{directory}, Iterator{}));
}

bool is_mapped(const std::string& library) {
  std::ifstream maps{"/proc/self/maps"};
  for (std::string line; std::getline(maps, line);) {
    if (line.ends_with(library)) return true;
  }
  return false;
}

}  // namespace

// Loading the library starts nothing and opens nothing, and unloading it leaves nothing.
int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string library = std::filesystem::canonical(argv[1]);

  const std::size_t threads_before = entries("/proc/self/task");
  const std::size_t files_before = entries("/proc/self/fd");
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    std::cerr << dlerror() << '\n';
    return 1;
  }
  if (!is_mapped(library)) {
    std::cerr << "the library was loaded, but not from " << library << '\n';
    return 1;
  }
  if (entries("/proc/self/task") != threads_before) {
    std::cerr << "loading the library started a thread\n";
    return 1;
  }
  if (entries("/proc/self/fd") != files_before) {
    std::cerr << "loading the library left a file open\n";
    return 1;
  }
  dlclose(handle);
  if (is_mapped(library)) {
    std::cerr << "the library is still mapped after dlclose\n";
    return 1;
  }
  return 0;
}
