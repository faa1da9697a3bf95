#include "runtime/coordinator/access/api_keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "runtime/base/error.h"

namespace shoal::access {
namespace {

constexpr const char* kFile =
    "# keys\n\nalice 0123456789abcdef # hers\nsk-bare-key-of-some-length\n"
    "bob 1123456789abcdef 2.5\n";

TEST(ApiKeys, KnowsItsOwners) {
  const ApiKeys keys = ApiKeys::parse(kFile);
  EXPECT_EQ(keys.size(), 3u);
  EXPECT_EQ(keys.owner("0123456789abcdef"), "alice");
  EXPECT_EQ(keys.owner("sk-bare-key-of-some-length"), "key-4");
  EXPECT_EQ(keys.weights(),
            (std::map<std::string, double>{{"alice", 1}, {"bob", 2.5}, {"key-4", 1}}));
  for (const char* wrong :
       {"", "alice", "0123456789abcde", "0123456789abcdef ", "0123456789ABCDEF"})
    EXPECT_EQ(keys.owner(wrong), std::nullopt) << wrong;
}

TEST(ApiKeys, RefusesFilesWithoutSayingAKey) {
  for (const std::string text : {"",
                                 "# nothing\n",
                                 "short\n",
                                 "a b 0123456789abcdef\n",
                                 "a 0123456789abcdef 0\n",
                                 "a 0123456789abcdef 101\n",
                                 "a 0123456789abcdef nan\n",
                                 "a 0123456789abcdef 1x\n",
                                 "a 0123456789abcdef 1 2\n",
                                 "../x 0123456789abcdef\n",
                                 ".x 0123456789abcdef\n",
                                 "a 0123456789abcdef\na 1123456789abcdef\n",
                                 "0123456789abcde\x01\n"}) {
    try {
      ApiKeys::parse(text);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kUsage);
      EXPECT_EQ(std::string(error.what()).find("123456789"), std::string::npos) << error.what();
    }
  }
}

TEST(ApiKeys, ReadsOnlyPrivateFiles) {
  const auto path =
      std::filesystem::temp_directory_path() / ("shoal_keys_" + std::to_string(getpid()));
  std::ofstream(path) << kFile;
  for (const mode_t mode : {0644, 0640, 0660, 0604}) {
    chmod(path.c_str(), mode);
    EXPECT_THROW(ApiKeys::read(path), Error) << mode;
  }
  chmod(path.c_str(), 0600);
  EXPECT_EQ(ApiKeys::read(path).size(), 3u);
  std::filesystem::remove(path);
  EXPECT_THROW(ApiKeys::read(path), Error);
}

}  // namespace
}  // namespace shoal::access
