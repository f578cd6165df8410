#include "tests/support/npy.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace quarry {

NpyArray ReadNpy(const std::filesystem::path& path) {
  const auto fail = [&](const std::string& why) -> std::runtime_error {
    return std::runtime_error(path.string() + ": " + why);
  };
  std::ifstream in(path, std::ios::binary);
  if (!in) throw fail("cannot be opened");
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (bytes.size() < 10 || bytes.compare(0, 6, "\x93NUMPY") != 0) throw fail("not an npy file");
  const size_t header_size = static_cast<uint8_t>(bytes[8]) + 256u * static_cast<uint8_t>(bytes[9]);
  if (bytes.size() < 10 + header_size) throw fail("header cut off");
  const std::string header = bytes.substr(10, header_size);
  const bool f32 = header.find("'<f4'") != std::string::npos;
  const bool i32 = header.find("'<i4'") != std::string::npos;
  if ((!f32 && !i32) || header.find("'fortran_order': False") == std::string::npos) {
    throw fail("neither f32 nor i32 in C order: " + header);
  }
  std::smatch match;
  if (!std::regex_search(header, match, std::regex("'shape': \\(([0-9, ]*)\\)"))) {
    throw fail("no shape");
  }
  NpyArray out;
  std::stringstream shape(match[1].str());
  for (std::string part; std::getline(shape, part, ',');) {
    if (part.find_first_of("0123456789") != std::string::npos)
      out.shape.push_back(std::stoll(part));
  }
  const auto n = static_cast<size_t>(out.size());
  if (bytes.size() != 10 + header_size + 4 * n) throw fail("data of another size than its shape");
  const char* data = bytes.data() + 10 + header_size;
  if (f32) {
    out.f32.resize(n);
    std::memcpy(out.f32.data(), data, 4 * n);
  } else {
    out.i32.resize(n);
    std::memcpy(out.i32.data(), data, 4 * n);
  }
  return out;
}

}  // namespace quarry
