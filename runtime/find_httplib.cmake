# Sets httplib_FOUND and the target shoal_httplib. Debian's cpp-httplib is a shared library whose
# classes hold members that depend on three macros, so the code that uses it needs the same ones.
find_path(HTTPLIB_INCLUDE_DIR httplib.h)
find_library(HTTPLIB_LIBRARY cpp-httplib)
find_path(HTTPLIB_OPENSSL_DIR openssl/ssl.h)
find_path(HTTPLIB_ZLIB_DIR zlib.h)
find_path(HTTPLIB_BROTLI_DIR brotli/decode.h)
set(httplib_FOUND FALSE)
if(HTTPLIB_INCLUDE_DIR AND HTTPLIB_LIBRARY AND HTTPLIB_OPENSSL_DIR AND HTTPLIB_ZLIB_DIR AND HTTPLIB_BROTLI_DIR)
  set(httplib_FOUND TRUE)
  add_library(shoal_httplib INTERFACE)
  target_compile_definitions(shoal_httplib INTERFACE
    CPPHTTPLIB_OPENSSL_SUPPORT CPPHTTPLIB_ZLIB_SUPPORT CPPHTTPLIB_BROTLI_SUPPORT)
  target_include_directories(shoal_httplib SYSTEM INTERFACE ${HTTPLIB_INCLUDE_DIR})
  target_link_libraries(shoal_httplib INTERFACE ${HTTPLIB_LIBRARY} Threads::Threads)
endif()
