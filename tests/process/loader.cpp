// Loads a shared object that uses the SDK, again and again, and looks at what that leaves behind.
#include <dlfcn.h>
#include <signal.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

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

// What happens on each signal, and which are blocked.
struct Signals {
  std::vector<struct sigaction> actions;
  sigset_t mask{};

  static Signals now() {
    Signals signals;
    for (int signal = 1; signal < NSIG; ++signal) {
      struct sigaction action {};
      ::sigaction(signal, nullptr, &action);
      signals.actions.push_back(action);
    }
    pthread_sigmask(SIG_SETMASK, nullptr, &signals.mask);
    return signals;
  }

  // The C library adds a flag of its own when a disposition is written back as it was read.
  static int meaning(int flags) {
    constexpr int kRestorer = 0x04000000;
    return flags & ~kRestorer;
  }

  [[nodiscard]] bool same_as(const Signals& other) const {
    for (std::size_t i = 0; i < actions.size(); ++i) {
      if (actions[i].sa_handler != other.actions[i].sa_handler ||
          meaning(actions[i].sa_flags) != meaning(other.actions[i].sa_flags)) {
        return false;
      }
    }
    for (int signal = 1; signal < NSIG; ++signal) {
      if (sigismember(&mask, signal) != sigismember(&other.mask, signal)) return false;
    }
    return true;
  }
};

struct Footprint {
  std::size_t threads{entries("/proc/self/task")};
  std::size_t files{entries("/proc/self/fd")};
  bool operator==(const Footprint&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Footprint& footprint) {
  return out << footprint.threads << " threads, " << footprint.files << " files";
}

int complain(const std::string& what) {
  std::cerr << what << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 64;
  const std::string library = std::filesystem::canonical(argv[1]);
  const int rounds = std::stoi(argv[3]);
  const Signals signals = Signals::now();
  const Footprint before;
  for (int round = 0; round < rounds; ++round) {
    void* const handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) return complain(::dlerror());
    if (const Footprint loaded; loaded != before) {
      std::cerr << "before: " << before << ", loaded: " << loaded << '\n';
      return 1;
    }
    if (!Signals::now().same_as(signals)) return complain("loading changed what signals do");
    using Run = int (*)(const char*);
    const auto run = reinterpret_cast<Run>(::dlsym(handle, "plugin_run"));
    if (run == nullptr) return complain(::dlerror());
    if (const int code = run(argv[2]); code != 0)
      return complain("the plugin says " + std::to_string(code));
    if (!Signals::now().same_as(signals)) return complain("using it changed what signals do");
    ::dlclose(handle);
    if (is_mapped(library)) return complain("it is still mapped after dlclose");
    if (const Footprint after; after != before) {
      std::cerr << "round " << round << ", before: " << before << ", after: " << after << '\n';
      return 1;
    }
  }
  return 0;
}
