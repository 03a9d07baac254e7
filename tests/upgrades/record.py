"""Asks a running release what it knows, for tests/upgrades/record.sh: its address, a token, and what its clock is set to."""
import json
import sys
import time
import urllib.error
import urllib.request

url, token, now = sys.argv[1:]


def get(path):
    request = urllib.request.Request(url + path, headers={'authorization': f'Bearer {token}'})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


while True:
    try:
        urllib.request.urlopen(url + '/readyz').read()
        break
    except (urllib.error.URLError, ConnectionError):
        time.sleep(0.1)

answers = {}
branches = [one['branch'] for one in get('/v1/branches')['branches']]
for path in ['/v1/branches', '/v1/policies']:
    answers[path] = get(path)
patients = sorted({entry['patient'] for branch in branches for entry in get(f'/v1/branches/{branch}/worklist?limit=200')['entries']})
for patient in patients[:12]:
    for path in [f'/v1/patients/{patient}', f'/v1/patients/{patient}/history?limit=1000', f'/v1/patients/{patient}/quotas', f'/v1/patients/{patient}/consents']:
        try:
            answers[path] = get(path)
        except urllib.error.HTTPError as error:
            # A question that this release does not know yet.
            assert error.code == 404, path
json.dump({'token': token, 'now': now, 'answers': answers}, sys.stdout, ensure_ascii=False, indent=1)
