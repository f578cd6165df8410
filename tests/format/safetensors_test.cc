#include "format/safetensors.h"

#include <cstring>
#include <numeric>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::span<const std::byte> Bytes(std::string_view s) {
  return std::as_bytes(std::span(s.data(), s.size()));
}

// A file with this header and `n_data` zero bytes.
std::string FileWith(std::string_view header, size_t n_data) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return out.append(header).append(n_data, '\0');
}

std::string ErrorOf(std::string_view file, const SafetensorsLimits& limits = {}) {
  return SafetensorsFile::FromBytes(Bytes(file), "f", limits).status().message();
}

// The tensors of `file` take up the data of `text` and nothing else.
void ExpectInside(const SafetensorsFile& file, std::string_view text) {
  uint64_t header = 0, total = 0;
  std::memcpy(&header, text.data(), 8);
  for (const TensorInfo& t : file.tensors()) {
    ASSERT_LE(t.begin, t.end) << t.name;
    total += t.end - t.begin;
    const Result<TensorView> view = file.Find(t.name);
    if (!view.ok()) continue;  // a type that is not computed with
    EXPECT_EQ(static_cast<uint64_t>(view->n_elements()) * (view->dtype == DType::kF32 ? 4 : 2),
              view->data.size());
    EXPECT_EQ(view->data.size(), t.end - t.begin) << t.name;
    EXPECT_EQ(view->data.data(), Bytes(text).data() + 8 + header + t.begin) << t.name;
  }
  EXPECT_EQ(8 + header + total, text.size());
}

// `text` is refused in one line, or its tensors lie inside it.
void ExpectRefusedOrInside(std::string_view text) {
  const auto file = SafetensorsFile::FromBytes(Bytes(text), "f");
  if (file.ok()) return ExpectInside(*file, text);
  EXPECT_THAT(file.status().message(), testing::StartsWith("f: "));
  EXPECT_EQ(file.status().message().find('\n'), std::string::npos) << file.status().message();
}

std::string SmallFile() {
  static const std::string data = "0123456789abcdefghijkl";  // 22 bytes
  const TensorToWrite tensors[] = {
      {"weight", DType::kF32, {2, 2}, Bytes(data).first(16)},
      {"bias", DType::kBF16, {3}, Bytes(data).last(6)},
      {"empty", DType::kF16, {0, 5}, {}},
  };
  return *SerializeSafetensors(tensors, {{"format", "pt"}});
}

TEST(Safetensors, ReadsWhatItWrites) {
  const std::string text = SmallFile();
  const auto file = SafetensorsFile::FromBytes(Bytes(text), "f");
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->tensors()[0].name, "bias");
  EXPECT_EQ(file->tensors()[1].name, "empty");
  EXPECT_EQ(file->tensors()[2].name, "weight");
  EXPECT_EQ(file->metadata().at("format"), "pt");

  const auto weight = file->Find("weight");
  ASSERT_TRUE(weight.ok());
  EXPECT_EQ(weight->dtype, DType::kF32);
  EXPECT_THAT(weight->shape, ElementsAre(2, 2));
  EXPECT_EQ(std::memcmp(weight->data.data(), "0123456789abcdef", 16), 0);
  EXPECT_EQ(weight->n_elements(), 4);
  const auto bias = file->Find("bias");
  ASSERT_TRUE(bias.ok());
  EXPECT_EQ(bias->dtype, DType::kBF16);
  EXPECT_EQ(std::memcmp(bias->data.data(), "ghijkl", 6), 0);
  EXPECT_EQ(file->Find("empty")->n_elements(), 0);

  EXPECT_TRUE(file->Contains("bias"));
  EXPECT_FALSE(file->Contains("bia"));
  EXPECT_EQ(file->Find("other").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(file->Find("other").status().message(), "f: no tensor \"other\"");
}

TEST(Safetensors, DataSectionIsAlignedByTheWriterOnly) {
  const std::string text = SmallFile();
  uint64_t header = 0;
  std::memcpy(&header, text.data(), 8);
  EXPECT_EQ((8 + header) % 8, 0u);

  // A header of odd length puts a tensor at an odd address. That is a valid file.
  const std::string odd = FileWith(
      R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[1,5]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}} )",
      5);
  const auto file = SafetensorsFile::FromBytes(Bytes(odd), "f");
  ASSERT_TRUE(file.ok()) << file.status().message();
  ExpectInside(*file, odd);
}

TEST(Safetensors, OpensMappedFilesAndSurvivesMoves) {
  TempDir dir;
  const auto path = dir.path() / "m.safetensors";
  const TensorToWrite tensors[] = {{"x", DType::kF16, {2}, Bytes("abcd")}};
  ASSERT_TRUE(WriteSafetensors(path, tensors).ok());
  auto opened = SafetensorsFile::Open(path);
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  const SafetensorsFile moved = *std::move(opened);
  EXPECT_EQ(std::memcmp(moved.Find("x")->data.data(), "abcd", 4), 0);
  EXPECT_THAT(moved.metadata(), IsEmpty());

  const auto missing = SafetensorsFile::Open(dir.path() / "none");
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
}

TEST(Safetensors, AcceptsUnusualButValidFiles) {
  struct Row {
    std::string_view header;
    size_t n_data;
    size_t n_tensors;
  };
  for (const Row& row : {
           Row{"{}", 0, 0},
           Row{"{}      ", 0, 0},
           Row{R"({"__metadata__":{}})", 0, 0},
           Row{R"({"":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", 4, 1},
           // data order differs from header order; an empty tensor lies between
           Row{R"({"a":{"shape":[1],"data_offsets":[2,4],"dtype":"F16"},
                   "z":{"shape":[0],"data_offsets":[2,2],"dtype":"F16"},
                   "b":{"shape":[1],"data_offsets":[0,2],"dtype":"BF16"}})",
               4, 3},
           Row{R"({"a":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}})", 16, 1},
           Row{R"({"a":{"dtype":"F4","shape":[3,2],"data_offsets":[0,3]}})", 3, 1},
           Row{R"({"a":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]}})", 3, 1},
       }) {
    const std::string text = FileWith(row.header, row.n_data);
    const auto file = SafetensorsFile::FromBytes(Bytes(text), "f");
    ASSERT_TRUE(file.ok()) << row.header << ": " << file.status().message();
    EXPECT_EQ(file->tensors().size(), row.n_tensors);
    ExpectInside(*file, text);
  }
}

TEST(Safetensors, RefusesOtherDtypesOnlyWhenUsed) {
  const std::string text = FileWith(R"({"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", 8);
  const auto file = SafetensorsFile::FromBytes(Bytes(text), "f");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->tensors()[0].dtype, "I64");
  EXPECT_EQ(file->Find("a").status().code(), StatusCode::kUnsupported);
  EXPECT_EQ(file->Find("a").status().message(),
            "f: tensor \"a\" has dtype I64, must be F32, F16 or BF16");
}

TEST(Safetensors, NamesWhatIsWrong) {
  struct Row {
    std::string_view header;
    size_t n_data;
    std::string_view message;
  };
  const Row rows[] = {
      {"", 0, "f: header: starts with \"\", must start with \"{\""},
      {"[]", 0, "f: header: starts with \"[\", must start with"},
      {" {}", 0, "f: header: starts with \" \""},
      {"{", 0, "f: header:1:2: not valid JSON: unexpected end of input"},
      {"{}x", 0, "f: header:1:3: not valid JSON"},
      {R"({"a":1})", 0, "f: header: \"a\" is a number, must be an object"},
      {R"({"a":null})", 0, "\"a\" is null, must be an object"},
      {R"({"a":[]})", 0, "\"a\" is a list, must be an object"},
      {R"({"a":"F32"})", 0, "\"a\" is a string, must be an object"},
      {R"({"a":{}})", 0, "tensor \"a\": dtype is missing"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "tensor \"a\": data_offsets is missing"},
      {R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "tensor \"a\": shape is missing"},
      {R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4,
       "tensor \"a\": dtype appears twice"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"stride":[1]}})", 4,
       "tensor \"a\": unknown key \"stride\""},
      {R"({"a":{"dtype":32,"shape":[1],"data_offsets":[0,4]}})", 4,
       "tensor \"a\": dtype is a number, must be a string"},
      {R"({"a":{"dtype":"F32\n","shape":[1],"data_offsets":[0,4]}})", 4,
       "tensor \"a\": unknown dtype \"F32\\n\""},
      {R"({"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}})", 4,
       "tensor \"a\": unknown dtype \"f32\""},
      {R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", 4,
       "tensor \"a\": shape is a number, must be a list"},
      {R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4,
       "tensor \"a\": shape contains a list"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4,
       "tensor \"a\": shape contains -1, must be integers from 0 to 9223372036854775807"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, "shape contains 1.0"},
      {R"({"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}})", 4, "shape contains a string"},
      {R"({"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}})", 4,
       "shape contains 9223372036854775808"},
      {R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})",
       4, "shape has more than 16 dimensions"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4,
       "data_offsets has 1 entries, must have 2"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 4,
       "data_offsets has more than 2 entries"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4,
       "tensor \"a\": data_offsets are [4, 0], must be in order and within the 4 bytes of data"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4,
       "data_offsets are [0, 8], must be in order and within the 4 bytes of data"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551615,4]}})", 4,
       "must be in order"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
       "tensor \"a\": shape [2] of F32 takes 8 bytes, data_offsets span 4"},
      // 2^62 * 4 wraps around to 0
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0,
       "tensor \"a\": shape [4611686018427387904] of F32 has no valid size in bytes"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
       "has no valid size in bytes"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4,0],"data_offsets":[0,0]}})", 0,
       "has no valid size in bytes"},
      {R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", 1, "has no valid size in bytes"},
      // a hole, an overlap, bytes before and after
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
       3, "tensor \"b\" starts at byte 2 of the data, must start at 1, where the one before ends"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       3, "tensor \"b\" starts at byte 1 of the data, must start at 2"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2,
       "tensor \"a\" starts at byte 1 of the data, must start at 0"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 2,
       "f: tensors cover 1 bytes of data, the file has 2"},
      {"{}", 1, "f: tensors cover 0 bytes of data, the file has 1"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
       2, "f: tensor \"a\" appears twice"},
      {R"({"__metadata__":{"a":1}})", 0, "__metadata__: \"a\" is a number, must be a string"},
      {R"({"__metadata__":{"a":{}}})", 0, "__metadata__: \"a\" is an object, must be a string"},
      {R"({"__metadata__":{"a":"1","a":"2"}})", 0, "key \"a\" appears twice in __metadata__"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0, "__metadata__ appears twice"},
      {R"({"__metadata__":[]})", 0, "\"__metadata__\" is a list, must be an object"},
      {"{\"\xff\":{}}", 0, "invalid string: ill-formed UTF-8"},
  };
  for (const Row& row : rows) {
    const std::string message = ErrorOf(FileWith(row.header, row.n_data));
    EXPECT_THAT(message, HasSubstr(row.message)) << row.header;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

TEST(Safetensors, ChecksTheHeadersLength) {
  EXPECT_EQ(ErrorOf(""), "f: 0 bytes, a safetensors file has at least 8");
  EXPECT_EQ(ErrorOf("1234567"), "f: 7 bytes, a safetensors file has at least 8");
  EXPECT_THAT(ErrorOf(std::string("\x03\0\0\0\0\0\0\0{}", 10)),
              HasSubstr("header length is 3 bytes, only 2 follow"));
  EXPECT_THAT(ErrorOf(std::string(16, '\xff')),
              HasSubstr("header length is 18446744073709551615 bytes, at most 104857600 are read"));
  EXPECT_THAT(ErrorOf(FileWith("{}   ", 0), {.header_bytes = 4}),
              HasSubstr("header length is 5 bytes, at most 4 are read"));
  EXPECT_EQ(ErrorOf(SmallFile(), {.tensors = 2}), "f: header: more than 2 tensors");
  EXPECT_EQ(ErrorOf(SmallFile(), {.tensors = 3}), "");
}

TEST(Safetensors, ADeepHeaderIsNoTrouble) {
  std::string header = R"({"a":{"dtype":)" + std::string(1 << 20, '[');
  EXPECT_THAT(ErrorOf(FileWith(header, 0)), HasSubstr("dtype is a list"));
}

// Every prefix of a valid file is refused, and so is every file with bytes behind its data.
TEST(Safetensors, TruncatedAtEveryByte) {
  const std::string text = SmallFile();
  for (size_t n = 0; n < text.size(); ++n) {
    // A copy of its own, so that reading past the end shows.
    const std::string cut = text.substr(0, n);
    EXPECT_FALSE(SafetensorsFile::FromBytes(Bytes(cut), "f").ok()) << n;
  }
  EXPECT_EQ(ErrorOf(text), "");
  EXPECT_THAT(ErrorOf(text + "x"), HasSubstr("tensors cover 22 bytes of data, the file has 23"));
}

TEST(Safetensors, EveryByteChanged) {
  const std::string text = SmallFile();
  for (size_t i = 0; i < text.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = text;
      changed[i] = static_cast<char>(value);
      SCOPED_TRACE(fmt::format("byte {} is {}", i, value));
      ExpectRefusedOrInside(changed);
    }
  }
}

TEST(Safetensors, ManyBytesChangedAtRandom) {
  const std::string text = SmallFile();
  constexpr uint64_t kSeed = 7;
  Rng rng(kSeed);
  for (int round = 0; round < 20000; ++round) {
    std::string changed = text;
    for (uint64_t n = 1 + rng.Below(4); n > 0; --n) {
      // Digits and brackets keep more files parseable than random bytes would.
      constexpr std::string_view kBytes = "0123456789[]{},:\"- ";
      changed[rng.Below(changed.size())] = kBytes[rng.Below(kBytes.size())];
    }
    SCOPED_TRACE(changed);
    ExpectRefusedOrInside(changed);
  }
}

TEST(WriteSafetensors, RefusesWhatItCouldNotReadBack) {
  struct Row {
    TensorToWrite tensor;
    std::string_view message;
  };
  for (const Row& row : {
           Row{{"x", DType::kF32, {3}, Bytes("abcd")},
               "safetensors: tensor \"x\" of F32 has 4 bytes, its shape takes 12"},
           Row{{"x", DType::kF32, {-1}, Bytes("abcd")}, "its shape takes too many"},
           Row{{"x", DType::kF32, {INT64_MAX, 8}, {}}, "its shape takes too many"},
           Row{{"__metadata__", DType::kF32, {0}, {}}, "cannot be a tensor's name"},
           Row{{"\xff", DType::kF32, {0}, {}}, "cannot be a tensor's name"},
       }) {
    const auto bytes = SerializeSafetensors(std::span(&row.tensor, 1));
    EXPECT_EQ(bytes.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(bytes.status().message(), HasSubstr(row.message));
  }
  const TensorToWrite twice[] = {{"x", DType::kF32, {0}, {}}, {"x", DType::kF32, {0}, {}}};
  EXPECT_THAT(SerializeSafetensors(twice).status().message(),
              HasSubstr("tensor \"x\" is given twice"));
  EXPECT_FALSE(SerializeSafetensors({}, {{"a", "\xff"}}).ok());

  TempDir dir;
  EXPECT_THAT(WriteSafetensors(dir.path() / "a", twice).message(),
              HasSubstr((dir.path() / "a").string()));
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

}  // namespace
}  // namespace quarry
