// How long one `run` takes, beside the same request sent with bare libcurl handles; with one thread
// and with sixteen.
//
// Both sides send the same bytes to the same server in the same run, taking turns round by round,
// so that a machine whose speed drifts does not favour either. Needs NULLSPACE_API_URL and
// NULLSPACE_API_KEY; `./dev bench` brings a server.
#include <curl/curl.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <nullspace/nullspace.hpp>

#include "figures.hpp"

namespace ns = nullspace;

namespace {

constexpr int kRounds = 7;

struct Sample {
  std::vector<double> microseconds;
  double wall_seconds{0};
};

// Runs `work` so often in each of the threads and times every call. `make_worker` is called in the
// thread.
Sample measure(int threads, int calls, const std::function<std::function<void()>()>& make_worker) {
  std::vector<std::vector<double>> times(static_cast<std::size_t>(threads));
  std::vector<std::thread> pool;
  const auto start = bench::Clock::now();
  for (std::vector<double>& mine : times) {
    pool.emplace_back([&mine, calls, &make_worker] {
      const std::function<void()> work = make_worker();
      mine.reserve(static_cast<std::size_t>(calls));
      for (int i = 0; i < calls; ++i) {
        const auto begin = bench::Clock::now();
        work();
        mine.push_back(bench::seconds_since(begin) * 1e6);
      }
    });
  }
  for (std::thread& thread : pool)
    thread.join();
  Sample sample;
  sample.wall_seconds = bench::seconds_since(start);
  for (const std::vector<double>& mine : times) {
    sample.microseconds.insert(sample.microseconds.end(), mine.begin(), mine.end());
  }
  return sample;
}

struct CurlDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

std::size_t append(char* data, std::size_t size, std::size_t count, void* target) {
  static_cast<std::string*>(target)->append(data, size * count);
  return size * count;
}

// One kept-alive easy handle per thread: the least that libcurl can do it with.
std::function<void()> bare_curl(const std::string& url, const std::string& key,
                                const std::string& body) {
  std::shared_ptr<CURL> handle(curl_easy_init(), CurlDeleter{});
  curl_slist* headers = curl_slist_append(nullptr, ("Authorization: Bearer " + key).c_str());
  headers = curl_slist_append(headers, "Content-Type: application/json");
  const std::shared_ptr<curl_slist> owned(headers, curl_slist_free_all);
  auto answer = std::make_shared<std::string>();
  curl_easy_setopt(handle.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(handle.get(), CURLOPT_COPYPOSTFIELDS, body.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, answer.get());
  return [handle, owned, answer] {
    answer->clear();
    if (curl_easy_perform(handle.get()) != CURLE_OK ||
        answer->find("exit_code") == std::string::npos) {
      throw std::runtime_error("the bare request failed: " + *answer);
    }
  };
}

void compare(const char* name, int threads, int calls,
             const std::function<std::function<void()>()>& ours,
             const std::function<std::function<void()>()>& theirs) {
  Sample sdk;
  Sample bare;
  for (int round = 0; round < kRounds; ++round) {
    for (auto [sample, make_worker] : {std::pair{&sdk, &ours}, std::pair{&bare, &theirs}}) {
      const Sample one = measure(threads, calls, *make_worker);
      sample->wall_seconds += one.wall_seconds;
      sample->microseconds.insert(sample->microseconds.end(), one.microseconds.begin(),
                                  one.microseconds.end());
    }
  }
  const auto row = [&](const char* who, Sample& sample) {
    fmt::print(
        "{:<28} {:>2} threads  {:<14} {:>8.0f} /s   p50 {:>7.0f} us   p99 {:>7.0f} us\n", name,
        threads, who, static_cast<double>(sample.microseconds.size()) / sample.wall_seconds,
        bench::quantile(sample.microseconds, 0.5), bench::quantile(sample.microseconds, 0.99));
  };
  row("nullspace", sdk);
  row("bare libcurl", bare);
}

}  // namespace

int main() try {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const ns::Client client;
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(client);
  const std::string key = std::getenv("NULLSPACE_API_KEY");
  const std::string url = client.base_url() + "/v1/sandboxes/" + sandbox->id() + "/exec";
  const std::string body = R"({"command":"true","timeout_secs":30,"background":false})";

  for (const int threads : {1, 16}) {
    const int calls = threads == 1 ? 200 : 25;
    compare(
        "exec `true`", threads, calls,
        [&] { return [commands = sandbox->commands()] { commands.run("true"); }; },
        [&] { return bare_curl(url, key, body); });
  }
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "bench_exec_round_trip: {}\n", error.what());
  return 1;
}
