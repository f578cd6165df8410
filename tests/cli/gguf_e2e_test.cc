// quarry convert, and GGUF files in the other commands, as a user meets them.

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

namespace fs = std::filesystem;

const std::string kModel = SourcePath("models/needle-5m").string();
const std::string kPassKey =
    "The pass key is 53817. Remember it. 53817 is the pass key.\n\nWhat is the pass key?";

class Gguf : public testing::Test {
 protected:
  std::string Convert(const std::string& type) {
    const std::string file = (dir_.path() / (type + ".gguf")).string();
    const ProcessResult r = Quarry({"convert", kModel, file, "--type", type});
    EXPECT_EQ(r.exit_code, 0) << r.err;
    EXPECT_EQ(r.out.substr(0, file.size()), file);
    return file;
  }
  size_t FilesLeft() const {
    size_t n = 0;
    for (const auto& entry : fs::directory_iterator(dir_.path())) n += entry.exists();
    return n;
  }
  TempDir dir_;
};

TEST_F(Gguf, ConvertedModelsGiveTheSameAnswer) {
  const ProcessResult want = Quarry({"run", "-m", kModel, "-p", kPassKey, "--json"});
  const auto ids = nlohmann::json::parse(want.out)["token_ids"];
  for (const char* type : {"f32", "f16", "bf16", "q8_0", "q4_0", "q4_k"}) {
    const std::string file = Convert(type);
    const ProcessResult r = Quarry({"run", "-m", file, "-p", kPassKey, "--json"});
    ASSERT_EQ(r.exit_code, 0) << r.err;
    const auto answer = nlohmann::json::parse(r.out);
    EXPECT_EQ(answer["text"], "53817") << type;
    EXPECT_EQ(answer["token_ids"], ids) << type;
    EXPECT_EQ(answer["stop_reason"], "eos") << type;
  }
}

TEST_F(Gguf, OtherMethodsReadThem) {
  const std::string file = Convert("q8_0");
  const ProcessResult r = Quarry({"run", "-m", file, "--method", "inf-llm", "-p", kPassKey});
  EXPECT_EQ(r.out, "53817\n") << r.err;
}

TEST_F(Gguf, QuantizesFoldersOnLoading) {
  for (const char* type : {"q8_0", "q4_0"}) {
    const ProcessResult r = Quarry({"run", "-m", kModel, "--quantize", type, "-p", kPassKey});
    EXPECT_EQ(r.out, "53817\n") << type << r.err;
  }
  const ProcessResult bad = Quarry({"run", "-m", kModel, "--quantize", "q3_k", "-p", "x"});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_EQ(bad.err, "quarry: --quantize is q3_k, must be q8_0 or q4_0\n");
}

TEST_F(Gguf, InspectDescribesThem) {
  const std::string file = Convert("q8_0");
  const auto folder = nlohmann::json::parse(Quarry({"inspect", kModel, "--json"}).out);
  const ProcessResult r = Quarry({"inspect", file, "--json"});
  ASSERT_EQ(r.exit_code, 0) << r.err;
  const auto got = nlohmann::json::parse(r.out);
  for (const char* key :
       {"architecture", "model_type", "parameters", "layers", "hidden_size", "heads", "kv_heads",
        "head_dim", "vocab_size", "native_context", "tied_embeddings", "notes"}) {
    EXPECT_EQ(got[key], folder[key]) << key;
  }
  EXPECT_EQ(got["dtypes"], nlohmann::json({"f32", "q8_0"}));
  EXPECT_LT(got["memory"][0]["weight_bytes"], folder["memory"][0]["weight_bytes"]);
}

TEST_F(Gguf, ErrorsAreOneLineAndLeaveNothing) {
  const auto fails = [&](std::vector<std::string> args, int code, const std::string& part) {
    const ProcessResult r = Quarry(std::move(args));
    EXPECT_EQ(r.exit_code, code) << r.err;
    EXPECT_NE(r.err.find(part), std::string::npos) << r.err;
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
  };
  const std::string out = (dir_.path() / "x.gguf").string();
  fails({"convert", kModel, out, "--type", "q9"}, 2, "--type is q9, must be f32, f16");
  fails({"convert", kModel, (dir_.path() / "x.bin").string()}, 2, "must end in .gguf");
  fails({"convert", (dir_.path() / "none").string(), out}, 3, "No such file");
  fails({"convert", kModel, "/nonexistent/x.gguf"}, 3, "No such file");
  const std::filesystem::path other = dir_.path() / "other";
  std::filesystem::copy(kModel, other);
  nlohmann::json changed = nlohmann::json::parse(*ReadFile(other / "config.json", 1 << 20));
  changed["intermediate_size"] = changed["intermediate_size"].get<int>() + 8;
  std::filesystem::remove(other / "config.json");
  ASSERT_TRUE(WriteFileAtomically(other / "config.json", changed.dump()).ok());
  fails({"convert", other.string(), out}, 4, "the configuration implies");
  std::filesystem::remove_all(other);
  EXPECT_EQ(FilesLeft(), 0u);
  ASSERT_TRUE(WriteFileAtomically(out, "GGUFxxxx").ok());
  fails({"run", "-m", out, "-p", "x"}, 5, "version is");
  fails({"inspect", out}, 5, "version is");
  ASSERT_TRUE(WriteFileAtomically(out, "").ok());
  fails({"inspect", out}, 4, "cut off");
}

// A limit on file sizes stands for a full disk: writing fails half way.
TEST_F(Gguf, AFullDiskLeavesNothing) {
  const std::string file = (dir_.path() / "full.gguf").string();
  const ProcessResult r =
      RunProcess({"/bin/bash", "-c", "trap '' XFSZ; ulimit -f 1000; exec \"$0\" \"$@\"",
                  QUARRY_BINARY, "convert", kModel, file});
  EXPECT_EQ(r.exit_code, 7) << r.err;
  EXPECT_NE(r.err.find(file), std::string::npos) << r.err;
  EXPECT_EQ(FilesLeft(), 0u);
}

TEST_F(Gguf, DamagedFilesAreRefused) {
  const std::string file = Convert("q8_0");
  const std::string whole = *ReadFile(file, uint64_t{1} << 30);
  for (size_t size : {size_t{3}, size_t{20}, size_t{1000}, size_t{100000}, whole.size() - 1}) {
    ASSERT_TRUE(WriteFileAtomically(file, whole.substr(0, size)).ok());
    const ProcessResult r = Quarry({"run", "-m", file, "-p", "x"});
    EXPECT_GE(r.exit_code, 3) << size;
    EXPECT_LE(r.exit_code, 6) << size << r.err;
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
  }
}

}  // namespace
}  // namespace quarry
