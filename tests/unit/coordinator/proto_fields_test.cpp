// Clients are built against field numbers: none may change, move to another type or go away. What
// is recorded must still hold; what is added is recorded by running with SHOAL_RECORD_FIELDS=FILE.
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

#include "shoal/v1/admin_service.pb.h"
#include "shoal/v1/chat.pb.h"
#include "shoal/v1/cluster_service.pb.h"
#include "shoal/v1/inference_service.pb.h"
#include "shoal/v1/model_service.pb.h"
#include "shoal/v1/tokenizer_service.pb.h"

namespace shoal::v1 {
namespace {

namespace pb = google::protobuf;

std::string type_of(const pb::FieldDescriptor& field) {
  std::string type = field.is_repeated() ? "repeated " : "";
  if (field.type() == pb::FieldDescriptor::TYPE_MESSAGE)
    return type + field.message_type()->full_name();
  if (field.type() == pb::FieldDescriptor::TYPE_ENUM) return type + field.enum_type()->full_name();
  return type + field.type_name();
}

void add(const pb::Descriptor& message, std::set<std::string>& lines) {
  for (int i = 0; i < message.field_count(); ++i) {
    const pb::FieldDescriptor& field = *message.field(i);
    lines.insert(field.full_name() + " = " + std::to_string(field.number()) + " " + type_of(field));
  }
  for (int i = 0; i < message.nested_type_count(); ++i) add(*message.nested_type(i), lines);
}

std::set<std::string> present() {
  std::set<std::string> lines;
  for (const pb::FileDescriptor* file : {DrainRequest::descriptor()->file(),
                                         Chat::descriptor()->file(),
                                         GetClusterRequest::descriptor()->file(),
                                         GenerateRequest::descriptor()->file(),
                                         GetModelRequest::descriptor()->file(),
                                         TokenizeRequest::descriptor()->file()}) {
    for (int i = 0; i < file->message_type_count(); ++i) add(*file->message_type(i), lines);
    for (int i = 0; i < file->enum_type_count(); ++i)
      for (int j = 0; j < file->enum_type(i)->value_count(); ++j) {
        const pb::EnumValueDescriptor& value = *file->enum_type(i)->value(j);
        lines.insert(value.full_name() + " = " + std::to_string(value.number()));
      }
    for (int i = 0; i < file->service_count(); ++i)
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        const pb::MethodDescriptor& method = *file->service(i)->method(j);
        lines.insert("rpc " + method.full_name() + " " + method.input_type()->name() + " " +
                     (method.server_streaming() ? "stream " : "") + method.output_type()->name());
      }
  }
  return lines;
}

TEST(ProtoFields, NoneChanged) {
  const auto now = present();
  if (const char* path = std::getenv("SHOAL_RECORD_FIELDS")) {
    std::ofstream out(path);
    for (const std::string& line : now) out << line << '\n';
  }
  std::ifstream recorded(SHOAL_TEST_DATA "/proto/fields.txt");
  ASSERT_TRUE(recorded);
  int lines = 0;
  for (std::string line; std::getline(recorded, line); ++lines)
    EXPECT_TRUE(now.count(line)) << "clients of older builds lean on: " << line;
  EXPECT_GT(lines, 150);
}

}  // namespace
}  // namespace shoal::v1
