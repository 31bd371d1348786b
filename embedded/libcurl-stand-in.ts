/**
 * A library in libcurl's place for builds of mongod that ask for the symbols of Debian's former one. mongod
 * calls it for the key services of clouds, which no test has; it looks at the version once, when it starts.
 */
export const libcurlSource = `
struct version { int age; const char *text; unsigned number; const char *host; int features;
  const char *ssl; long ssl_number; const char *zlib; const char *const *protocols; };
enum { FAILED = 2, WITH_SSL = 4 };
static const char *const protocols[] = {0};
static struct version version = {3, "8.0.0", 0x080000, "any", WITH_SSL, "none", 0, 0, protocols};
${['easy_init', 'share_init'].map((name) => `void *curl_${name}(void) { return &version; }`).join('\n')}
${['easy_cleanup', 'slist_free_all'].map((name) => `void curl_${name}(void *it) {}`).join('\n')}
${['easy_duphandle'].map((name) => `void *curl_${name}(void *it) { return it; }`).join('\n')}
${['easy_getinfo', 'easy_setopt', 'share_setopt'].map((name) => `int curl_${name}(void *it, int option, ...) { return FAILED; }`).join('\n')}
int curl_easy_perform(void *it) { return FAILED; }
const char *curl_easy_strerror(int code) { return "not the real libcurl"; }
int curl_global_init(long flags) { return 0; }
void curl_global_cleanup(void) {}
int curl_share_cleanup(void *it) { return 0; }
void *curl_slist_append(void *list, const char *text) { return &version; }
struct version *curl_version_info(int age) { return &version; }
`;

/** The linker's script that gives the symbols the version by which they are asked for. */
export const libcurlMap = 'CURL_OPENSSL_3 { global: curl_*; local: *; };\n';
