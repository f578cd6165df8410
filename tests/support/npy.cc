#include "tests/support/npy.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <stdexcept>

#include "tensor/dtype.h"

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
  std::smatch type;
  if (!std::regex_search(header, type, std::regex("'descr': '(<f2|<f4|<f8|<i4|.u1)'")) ||
      header.find("'fortran_order': False") == std::string::npos) {
    throw fail("no f2, f4, f8, i4 or u1 in C order: " + header);
  }
  const std::string descr = type[1].str();
  const auto item = static_cast<size_t>(descr[2] - '0');
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
  if (bytes.size() != 10 + header_size + item * n)
    throw fail("data of another size than its shape");
  const char* data = bytes.data() + 10 + header_size;
  if (descr == "<f4") {
    out.f32.resize(n);
    std::memcpy(out.f32.data(), data, 4 * n);
  } else if (descr == "<f8") {
    out.f64.resize(n);
    std::memcpy(out.f64.data(), data, 8 * n);
  } else if (descr == "<f2") {
    for (size_t i = 0; i < n; ++i) out.f32.push_back(LoadElement(DType::kF16, data, i));
  } else if (descr == "<i4") {
    out.i32.resize(n);
    std::memcpy(out.i32.data(), data, 4 * n);
  } else {
    for (size_t i = 0; i < n; ++i) out.i32.push_back(static_cast<uint8_t>(data[i]));
  }
  return out;
}

}  // namespace quarry
