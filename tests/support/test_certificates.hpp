// Certificates made for one test: a root, and servers that are as trustworthy as the test wants.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "tests/support/raw_peer.hpp"

namespace nullspace::tests {

// A directory with PEM files; it goes when this goes.
class TestCertificates {
 public:
  struct Server {
    // `DNS:localhost`, `IP:127.0.0.1`, ...; comma-separated.
    std::string names{"DNS:localhost,IP:127.0.0.1,IP:::1"};
    // In days from now.
    int valid_from{-1};
    int valid_to{30};
    // Signed by itself instead of by the root.
    bool self_signed{false};
  };

  TestCertificates();
  TestCertificates(const TestCertificates&) = delete;
  TestCertificates& operator=(const TestCertificates&) = delete;
  ~TestCertificates();

  [[nodiscard]] const std::string& root_file() const noexcept { return root_file_; }
  // The root under the hashed name that a directory of roots wants.
  [[nodiscard]] std::string root_directory() const;
  [[nodiscard]] TlsIdentity make_server(const Server& server);

 private:
  struct Keys;
  std::filesystem::path directory_;
  std::string root_file_;
  std::unique_ptr<Keys> root_;
  int made_{0};
};

}  // namespace nullspace::tests
