#include "tests/support/test_certificates.hpp"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>

namespace nullspace::tests {

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

void extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  if (extension == nullptr) throw std::runtime_error("certificate extension " + value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate unsigned_certificate(EVP_PKEY* key, const std::string& name, int from_days,
                                 int to_days) {
  constexpr long kDay = 24L * 60 * 60;
  Certificate certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), 2);
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), 7);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), from_days * kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), to_days * kDay);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

struct FileClose {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

std::unique_ptr<std::FILE, FileClose> create(const std::filesystem::path& path) {
  std::unique_ptr<std::FILE, FileClose> file(std::fopen(path.c_str(), "we"));
  if (!file) throw std::runtime_error("cannot write " + path.string());
  return file;
}

}  // namespace

struct TestCertificates::Keys {
  Key key{EVP_EC_gen("P-256"), EVP_PKEY_free};
  Certificate certificate{nullptr, X509_free};
};

TestCertificates::TestCertificates() : root_(std::make_unique<Keys>()) {
  std::string name = (std::filesystem::temp_directory_path() / "nullspace-tls-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  directory_ = name;
  root_file_ = directory_ / "root.pem";
  root_->certificate = unsigned_certificate(root_->key.get(), "Test root", -1, 30);
  X509* const root = root_->certificate.get();
  X509_set_issuer_name(root, X509_get_subject_name(root));
  extend(root, root, NID_basic_constraints, "critical,CA:TRUE");
  extend(root, root, NID_key_usage, "critical,keyCertSign,cRLSign");
  extend(root, root, NID_subject_key_identifier, "hash");
  X509_sign(root, root_->key.get(), EVP_sha256());
  PEM_write_X509(create(root_file_).get(), root);
}

TestCertificates::~TestCertificates() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string TestCertificates::root_directory() const {
  const std::filesystem::path directory = directory_ / "hashed";
  std::filesystem::create_directories(directory);
  char hash[16];
  std::snprintf(hash, sizeof hash, "%08lx.0",
                X509_NAME_hash_ex(X509_get_subject_name(root_->certificate.get()), nullptr, nullptr,
                                  nullptr));
  std::filesystem::copy_file(root_file_, directory / hash,
                             std::filesystem::copy_options::overwrite_existing);
  return directory.string();
}

TlsIdentity TestCertificates::make_server(const Server& server) {
  const Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const Certificate certificate =
      unsigned_certificate(key.get(), "Test server", server.valid_from, server.valid_to);
  X509* const made = certificate.get();
  X509* const issuer = server.self_signed ? made : root_->certificate.get();
  X509_set_issuer_name(made, X509_get_subject_name(issuer));
  extend(made, issuer, NID_basic_constraints, "critical,CA:FALSE");
  extend(made, issuer, NID_subject_alt_name, server.names);
  X509_sign(made, server.self_signed ? key.get() : root_->key.get(), EVP_sha256());

  const std::string stem = (directory_ / ("server" + std::to_string(made_++))).string();
  PEM_write_X509(create(stem + ".pem").get(), made);
  PEM_write_PrivateKey(create(stem + ".key").get(), key.get(), nullptr, nullptr, 0, nullptr,
                       nullptr);
  return {.certificate_file = stem + ".pem", .key_file = stem + ".key"};
}

}  // namespace nullspace::tests
