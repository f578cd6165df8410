#include "base/file.h"

#include <csignal>
#include <filesystem>
#include <iterator>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

TEST(File, WritesAtomicallyAndReadsBack) {
  TempDir dir;
  const auto path = dir.path() / "a.txt";
  ASSERT_TRUE(WriteFileAtomically(path, "one").ok());
  ASSERT_TRUE(WriteFileAtomically(path, "two").ok());
  EXPECT_EQ(*ReadFile(path, 100), "two");
  auto mapped = MappedFile::Open(path);
  ASSERT_TRUE(mapped.ok());
  EXPECT_EQ(mapped->bytes().size(), 3u);
  int files = 0;
  for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator(dir.path())) ++files;
  EXPECT_EQ(files, 1) << "a temporary file was left behind";
}

TEST(File, NamesTheFileAndTheLimit) {
  TempDir dir;
  const auto missing = ReadFile(dir.path() / "none", 10);
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
  EXPECT_NE(missing.status().message().find("none"), std::string::npos);

  ASSERT_TRUE(WriteFileAtomically(dir.path() / "big", "0123456789a").ok());
  const auto big = ReadFile(dir.path() / "big", 10);
  EXPECT_EQ(big.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(big.status().message().find("at most 10"), std::string::npos) << big.status().message();

  EXPECT_FALSE(ReadFile(dir.path(), 10).ok()) << "a folder is no file";
  EXPECT_FALSE(MappedFile::Open(dir.path()).ok());
  EXPECT_EQ(WriteFileAtomically(dir.path() / "no" / "such", "x").code(), StatusCode::kNotFound);
}

// A limit on file sizes stands in for a full disk: the error surfaces, and neither the old contents
// nor a temporary file suffer.
TEST(File, WritesThroughLinksAndToDevices) {
  TempDir dir;
  const auto real = dir.path() / "real", link = dir.path() / "link";
  ASSERT_TRUE(WriteFileAtomically(real, "old").ok());
  std::filesystem::create_symlink(real, link);
  ASSERT_TRUE(WriteFileAtomically(link, "new").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(*ReadFile(real, 100), "new");
  ASSERT_TRUE(WriteFileAtomically("/dev/null", "gone").ok());
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  EXPECT_FALSE(WriteFileAtomically(dir.path(), "a folder").ok());
}

TEST(File, AFailedWriteLeavesTheOldFileAlone) {
  TempDir dir;
  const auto path = dir.path() / "a";
  ASSERT_TRUE(WriteFileAtomically(path, "old").ok());

  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 1024;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status s = WriteFileAtomically(path, std::string(4096, 'x'));
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);

  EXPECT_EQ(s.code(), StatusCode::kIoError);
  EXPECT_EQ(*ReadFile(path, 100), "old");
  const auto n = std::distance(std::filesystem::directory_iterator(dir.path()),
                               std::filesystem::directory_iterator());
  EXPECT_EQ(n, 1);
}

}  // namespace
}  // namespace quarry
