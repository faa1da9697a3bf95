#include "runtime/control/link_credentials.h"

#include <gtest/gtest.h>

namespace shoal::control {
namespace {

std::string certificate(const std::string& body) {
  return "-----BEGIN CERTIFICATE-----\n" + body + "-----END CERTIFICATE-----\n";
}

TEST(LinkCredentials, TravelAsOneLine) {
  const std::string line64(64, 'A');
  const LinkCredentials given{certificate(line64 + "\n" + line64 + "\nBBBB\n"),
                              certificate("a+/=\n"),
                              "-----BEGIN PRIVATE KEY-----\nc2Vj\n-----END PRIVATE KEY-----\n"};
  const std::string line = given.to_line();
  EXPECT_EQ(line, line64 + line64 + "BBBB:a+/=:c2Vj");
  EXPECT_EQ(LinkCredentials::from_line(line), given);
}

TEST(LinkCredentials, OnlyTheFirstBlockOfATextCounts) {
  const LinkCredentials chain{certificate("AAAA\n") + certificate("BBBB\n"), "", ""};
  EXPECT_EQ(chain.to_line(), "AAAA::");
}

TEST(LinkCredentials, OtherLinesAreRefused) {
  for (const char* line : {"",
                           ":",
                           "::",
                           "AAAA",
                           "AAAA:BBBB",
                           "AAAA:BBBB:",
                           ":BBBB:CCCC",
                           "AAAA:BB BB:CCCC",
                           "AAAA:BBBB:CCCC:DDDD",
                           "AAAA:BBBB:CCCC\n"})
    EXPECT_FALSE(LinkCredentials::from_line(line)) << line;
}

}  // namespace
}  // namespace shoal::control
